"""A record of the log as casebook takes it in: parsed as far as it can be, and kept as it came.

Nothing here raises: what cannot be read becomes a fault, which parks the record's case (D7).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple, Protocol
from uuid import uuid5

from msgspec import Struct
from msgspec.structs import replace

from shared.events import codec
from shared.events.attributes import CASE, EVENT, SEQUENCE, SOURCE, TYPE, Headers, Spelt, spelt_in
from shared.events.catalogue import BY_TYPE, Entry
from shared.events.envelope import (
    Envelope,
    Fact,
    MalformedEnvelope,
    envelope_of,
    envelope_with,
    headers_of,
    spelt_of,
)
from shared.events.event import Event, MalformedEvent
from shared.events.holder import ParkedResolved
from shared.events.spelling import Words, spelt, words_in
from shared.events.upcasts import UPCASTS
from shared.identifiers import DEPARTMENT, CaseId, EventId, Source, rare_uuid_of, uuid_of
from shared.messaging.topics import DEPARTMENT_EVENTS

_SOURCES: Final = {source.value: source for source in Source}
_DEPARTMENT: Final = str(DEPARTMENT)
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


class Raw(Struct, frozen=True, gc=False):
    """A record that stood aside, exactly as it came."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """When the broker appended it, in milliseconds."""
    key: bytes | None
    headers: Headers
    value: bytes | None


class Sent(Struct, frozen=True, gc=False):
    """A record that one of our relays sent, as its words say: it looks as it came."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes
    heading: Spelt

    @property
    def key(self) -> bytes:
        """The case, whose facts are kept in order."""
        return self.heading[CASE].encode()

    @property
    def headers(self) -> Headers:
        """The headers as they came."""
        return headers_of(envelope_with(self.heading))


def logged_at(record: LogRecord) -> datetime:
    """When the broker appended a record."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


class Telling(Struct, dict=True):
    """A fact of the log, by its words: what casebook folds. Models of it are made when asked for.

    `heading` is its envelope in words, `words` are those of its event (`shared.events.spelling`),
    and `value` is the event as this build writes it: mostly, but not always, as it came.
    """

    heading: Spelt
    entry: Entry
    words: Words
    value: bytes

    @cached_property
    def envelope(self) -> Envelope:
        """The envelope as a model."""
        return envelope_with(self.heading)

    @cached_property
    def event(self) -> Event:
        """What it says, as a model."""
        return codec.decode(self.entry.type, self.value)[1]

    @property
    def fact(self) -> Fact:
        """Both, as the stages fold them."""
        return Fact(self.envelope, self.entry, self.event)


class Arrival(Struct, frozen=True):
    """A record with what could be read of it: a fact, or a fault."""

    raw: LogRecord
    case_id: CaseId
    place: Place | None
    fact: Telling | None
    fault: str | None

    @property
    def position(self) -> tuple[int, int]:
        """Its partition and offset, as `ParkedResolved` names them."""
        return self.raw.partition, self.raw.offset

    @property
    def at(self) -> tuple[str, int, int]:
        """Topic, partition, offset."""
        return self.raw.topic, self.raw.partition, self.raw.offset

    @property
    def resolves(self) -> ParkedResolved | None:
        """The operator's word about a parked record, when that is what it is."""
        if self.fact is None or self.fact.entry.model is not ParkedResolved:
            return None
        event = self.fact.event
        return event if isinstance(event, ParkedResolved) else None

    def failing(self, fault: str) -> "Arrival":
        """The same record, found to be at fault later than at reading."""
        return replace(self, fact=None, fault=fault)


def arrival_of(raw: LogRecord) -> Arrival:
    """Read a record; never raises, whatever it holds."""
    return _in_one_look(raw) or _the_long_way(raw)


def arrivals_of(records: Iterable[LogRecord]) -> list[Arrival]:
    """Several at once."""
    return [arrival_of(record) for record in records]


def up_to(ends: Mapping[tuple[str, int], int], arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Those that stand before the end of their partition."""
    return [each for each in arrivals if each.raw.offset < ends[each.raw.topic, each.raw.partition]]


def _in_one_look(raw: LogRecord) -> Arrival | None:
    """A record that is written as we write them; None of any other, good or bad."""
    heading = spelt_in(raw.headers)
    if heading is None or raw.value is None:
        return None
    type_, case, source = heading[TYPE], heading[CASE], heading[SOURCE]
    entry = BY_TYPE.get(type_)
    if (
        entry is None
        or type_ in UPCASTS
        or entry.owner != source
        or raw.key != case.encode()
        or entry.department is not (case == _DEPARTMENT)
        or entry.department is not (raw.topic == DEPARTMENT_EVENTS)
    ):
        return None
    words = spelt(entry.model, raw.value)
    if words is None:
        return None
    # Not the record itself: most of what the client makes of one are its headers.
    sent = Sent(raw.topic, raw.partition, raw.offset, raw.timestamp, raw.value, heading)
    return Arrival(
        sent,
        CaseId(uuid_of(case)),
        Place(_SOURCES[source], int(heading[SEQUENCE]), EventId(rare_uuid_of(heading[EVENT]))),
        Telling(heading, entry, words, raw.value),
        None,
    )


def _the_long_way(raw: LogRecord) -> Arrival:
    """Any record, by the models, which name what is wrong."""
    case_id = case_of(raw)
    envelope: Envelope | None = None
    try:
        envelope = envelope_of(raw.headers)
        fact = codec.fact_of(envelope, _value_of(raw))
        _check_address(raw, case_id, fact)
        told = Telling(
            spelt_of(envelope), fact.entry, words_in(fact.event), codec.encode(fact.event)
        )
    except codec.UnknownType as error:
        fault = Fault.UNKNOWN_TYPE.saying(str(error))
    except (MalformedEnvelope, MalformedEvent) as error:
        fault = Fault.MALFORMED.saying(str(error))
    except Exception as error:  # noqa: BLE001 -- the log may hold anything; it must park, not stop
        fault = Fault.MALFORMED.saying(type(error).__name__)
    else:
        return Arrival(raw, case_id, _place(envelope), told, None)
    return Arrival(raw, case_id, _place(envelope), None, fault)


def case_of(raw: LogRecord) -> CaseId:
    """The case a record belongs to: its key. One without a case parks as a case of its own."""
    try:
        return CaseId(uuid_of((raw.key or b"").decode("ascii")))
    except ValueError:
        return CaseId(uuid5(DEPARTMENT, f"{raw.topic}:{raw.partition}:{raw.offset}"))


def _value_of(raw: LogRecord) -> bytes:
    if raw.value is None:
        raise MalformedEvent("the record has no value")
    return raw.value


def _check_address(raw: LogRecord, case_id: CaseId, fact: Fact) -> None:
    """A fact stands under its case's key, and in the topic of its kind."""
    if fact.envelope.case_id != case_id:
        raise MalformedEvent("the key is not the case of the envelope")
    of_department = case_id == DEPARTMENT
    if of_department is not (raw.topic == DEPARTMENT_EVENTS):
        raise MalformedEvent("the department's facts have a topic of their own")
    if fact.entry.department is not of_department and not isinstance(fact.event, ParkedResolved):
        raise MalformedEvent("an event of the department in a case, or the other way")


def _place(envelope: Envelope | None) -> Place | None:
    """The place of an event, also of one that cannot be read otherwise."""
    if envelope is None:
        return None
    return Place(envelope.source, envelope.sequence, envelope.event_id)
