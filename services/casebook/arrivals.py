"""A record of the log as casebook takes it in: parsed as far as it can be, and kept as it came.

Nothing here raises: what cannot be read becomes a fault, which parks the record's case (D7).
"""

import base64
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol
from uuid import uuid5

from shared.events import codec
from shared.events.envelope import Envelope, Fact, MalformedEnvelope, envelope_of
from shared.events.holder import ParkedResolved
from shared.identifiers import DEPARTMENT, CaseId, EventId, Source, uuid_of
from shared.messaging.topics import DEPARTMENT_EVENTS

Headers = Sequence[tuple[str, bytes | None]]

_UNPRINTABLE: Final = re.compile(r"[^a-zA-Z0-9 ._:,'(){}@/\-]")
_DETAIL_MAX: Final = 200


class Fault(StrEnum):
    """Why a record cannot be folded."""

    CONTRADICTION = "contradiction"
    """Another event stands in its place already (D4)."""
    UNKNOWN_TYPE = "unknown-type"
    """This build does not know the event; a newer one tries again when it starts."""
    MALFORMED = "malformed"
    TOO_MANY_WAITING = "too-many-waiting"
    UNFOLDABLE = "unfoldable"
    """It was read, and the fold or the database would not take it: a bug of ours."""

    def saying(self, detail: str) -> str:
        """The reason as it is kept and shown; the detail may hold what a stranger wrote."""
        return f"{self.value}: {_UNPRINTABLE.sub('?', detail)[:_DETAIL_MAX]}"


class Place(NamedTuple):
    """Where an event stands in the order of its source, and its id."""

    source: Source
    sequence: int
    event_id: EventId


class LogRecord(Protocol):
    """What a record of the log has, whichever client read it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Raw(NamedTuple):
    """A record exactly as it came. `logged_at` is when the broker appended it."""

    topic: str
    partition: int
    offset: int
    logged_at: datetime
    key: bytes | None
    headers: Headers
    value: bytes | None

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition, offset."""
        return self.topic, self.partition, self.offset


class Arrival(NamedTuple):
    """A record with what could be read of it: a fact, or a fault."""

    raw: Raw
    case_id: CaseId
    place: Place | None
    fact: Fact | None
    fault: str | None

    @property
    def position(self) -> tuple[int, int]:
        """Its partition and offset, as `ParkedResolved` names them."""
        return self.raw.partition, self.raw.offset

    @property
    def resolves(self) -> ParkedResolved | None:
        """The operator's word about a parked record, when that is what it is."""
        event = self.fact.event if self.fact is not None else None
        return event if isinstance(event, ParkedResolved) else None

    def failing(self, fault: str) -> "Arrival":
        """The same record, found to be at fault later than at reading."""
        return self._replace(fact=None, fault=fault)


def raw_of(record: LogRecord) -> Raw:
    """A record off the log."""
    return Raw(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        logged_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=record.key,
        headers=record.headers,
        value=record.value,
    )


def arrival_of(raw: Raw) -> Arrival:
    """Read a record; never raises, whatever it holds."""
    case_id = case_of(raw)
    envelope: Envelope | None = None
    try:
        envelope = envelope_of(raw.headers)
        fact = codec.fact_of(envelope, _value_of(raw))
        _check_address(raw, case_id, fact)
    except codec.UnknownType as error:
        fault = Fault.UNKNOWN_TYPE.saying(str(error))
    except (MalformedEnvelope, codec.MalformedEvent) as error:
        fault = Fault.MALFORMED.saying(str(error))
    except Exception as error:  # noqa: BLE001 -- the log may hold anything; it must park, not stop
        fault = Fault.MALFORMED.saying(type(error).__name__)
    else:
        return Arrival(raw, case_id, _place(envelope), fact, None)
    return Arrival(raw, case_id, _place(envelope), None, fault)


def pack_headers(headers: Headers) -> bytes:
    """Headers as bytes that a database takes, whatever is in them."""
    return json.dumps(
        [
            [name, None if value is None else base64.b64encode(value).decode()]
            for name, value in headers
        ]
    ).encode()


def unpack_headers(packed: bytes) -> Headers:
    """What `pack_headers` packed."""
    return [
        (name, None if value is None else base64.b64decode(value))
        for name, value in json.loads(packed)
    ]


def case_of(raw: "Raw | LogRecord") -> CaseId:
    """The case a record belongs to: its key. One without a case parks as a case of its own."""
    try:
        return CaseId(uuid_of((raw.key or b"").decode("ascii")))
    except ValueError:
        return CaseId(uuid5(DEPARTMENT, f"{raw.topic}:{raw.partition}:{raw.offset}"))


def _value_of(raw: Raw) -> bytes:
    if raw.value is None:
        raise codec.MalformedEvent("the record has no value")
    return raw.value


def _check_address(raw: Raw, case_id: CaseId, fact: Fact) -> None:
    """A fact stands under its case's key, and in the topic of its kind."""
    if fact.envelope.case_id != case_id:
        raise codec.MalformedEvent("the key is not the case of the envelope")
    of_department = case_id == DEPARTMENT
    if of_department is not (raw.topic == DEPARTMENT_EVENTS):
        raise codec.MalformedEvent("the department's facts have a topic of their own")
    if fact.entry.department is not of_department and not isinstance(fact.event, ParkedResolved):
        raise codec.MalformedEvent("an event of the department in a case, or the other way")


def _place(envelope: Envelope | None) -> Place | None:
    """The place of an event, also of one that cannot be read otherwise."""
    if envelope is None:
        return None
    return Place(envelope.source, envelope.sequence, envelope.event_id)
