"""One record of the log, taken apart as far as it can be: nothing here raises on bad input."""

import base64
import json
import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiokafka import ConsumerRecord

from shared.events.attributes import Headers, spelt_in
from shared.events.codec import UnknownType, unread_fact_of
from shared.events.envelope import (
    Envelope,
    Fact,
    MalformedEnvelope,
    envelope_with,
    from_headers,
    headers_of,
)
from shared.events.event import MalformedEvent
from shared.identifiers import CaseId, uuid_of

NOBODY = CaseId(UUID(int=0))
"""Stands for the case of a record whose key is no case id: there is nothing to set aside."""
UNKNOWN_TYPE = "unknown type"
"""How the fault of a record begins that a newer build may be able to read."""
_ID: Final = "ce_id"


@dataclass(slots=True)
class Incoming:
    """A record with the fact it holds, or the fault that keeps it from being one.

    It is taken apart only as far as somebody asks: of one that this process sent itself nobody
    asks anything.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    _headers: Headers | None
    """As they came; None once the envelope says the same."""
    value: bytes | None
    _claimed_id: bytes | None = None
    _case_id: CaseId | None = None
    _envelope: Envelope | None = None
    _found: Fact | str | None = None
    """The fact, or the fault; None while nobody has asked."""

    @property
    def headers(self) -> Headers:
        """The headers as they came."""
        if self._headers is not None:
            return self._headers
        assert self._envelope is not None, "headers are let go for an envelope"
        return headers_of(self._envelope)

    @property
    def claimed_id(self) -> bytes | None:
        """The event's id as the headers have it, checked by nobody."""
        if self._claimed_id is None:
            self._claimed_id = next((value for name, value in self.headers if name == _ID), None)
        return self._claimed_id

    @property
    def case_id(self) -> CaseId:
        """The case that the key names, or NOBODY."""
        if self._case_id is None:
            self._case_id = _case(self.key)
        return self._case_id

    @property
    def envelope(self) -> Envelope | None:
        """Also of a record whose event cannot be read: its place in the case is known then."""
        if self._envelope is None and self._found is None:
            self._look()
        return self._envelope

    @property
    def unread_fact(self) -> Fact | None:
        """The fact, if the record is one as far as its envelope goes (see `Fact`)."""
        found = self._read()
        return None if isinstance(found, str) else found

    @property
    def fact(self) -> Fact | None:
        """The fact, if the record is one."""
        return self.unread_fact if self.fault is None else None

    @property
    def fault(self) -> str | None:
        """Why it is none, if it is none; nothing of what a stranger wrote but printable text."""
        found = self._read()
        if isinstance(found, str):
            return found
        try:
            _ = found.event
        except MalformedEvent as error:
            return fault_of(error)
        return None

    def open(self) -> None:
        """Take it apart now, up to what the event says."""
        self._read()

    def _look(self) -> None:
        headers = self.headers
        try:
            spelt = spelt_in(headers)
            if spelt is None:
                envelope = Envelope.from_attributes(from_headers(headers))
            else:
                envelope = envelope_with(spelt)
            if envelope.case_id != self.case_id:
                raise MalformedEnvelope("the key is not the case of the envelope")
            self._envelope = envelope
            if spelt is not None:
                self._headers = None  # seventeen pairs of each record, which nobody needs again
            if not self.value:  # null and empty are one: a record that stands aside keeps no null
                raise MalformedEvent("the record has no value")
        except Exception as error:  # noqa: BLE001 - whatever a record is, the batch goes on (D7)
            self._found = fault_of(error)

    def _read(self) -> Fact | str:
        found = self._found
        if found is None:
            if self._envelope is None:
                self._look()
                return self._read()
            try:
                found = unread_fact_of(self._envelope, self.data)
            except Exception as error:  # noqa: BLE001 - see above
                found = fault_of(error)
            self._found = found
        return found

    @property
    def data(self) -> bytes:
        """What the event says, as it came."""
        return self.value or b""

    @property
    def event_id(self) -> UUID | None:
        """The event's id, if the record is a fact."""
        return None if self.envelope is None else self.envelope.event_id


def incoming(record: ConsumerRecord) -> Incoming:
    """A record as the client gives it; its key names the case."""
    return Incoming(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.headers,
        record.value,
    )


def fault_of(error: Exception) -> str:
    """What a record's fault is called: without control signs, and not without end."""
    match error:
        case UnknownType():
            said = f"{UNKNOWN_TYPE} {error}"
        case MalformedEnvelope() | MalformedEvent():
            said = str(error)
        case _:
            said = f"it cannot be read: {type(error).__name__}"
    return "".join(sign if sign.isprintable() else "?" for sign in said)[:300]


def kind_of(reason: str) -> str:
    """What a reason for setting a case aside has in common with others: for the metrics."""
    if reason.startswith(UNKNOWN_TYPE):
        return UNKNOWN_TYPE
    return re.split("[:'\"]", reason, maxsplit=1)[0].strip()[:60]


def headers_text(headers: Headers) -> str:
    """Headers as they came, as a text that a database takes: name to base64 of the value."""
    return json.dumps(
        [
            [name, None if value is None else base64.b64encode(value).decode()]
            for name, value in headers
        ]
    )


def headers_in(text: str) -> Headers:
    """Read back what `headers_text` wrote."""
    return tuple(
        (name, None if value is None else base64.b64decode(value))
        for name, value in json.loads(text)
    )


def _case(key: bytes | None) -> CaseId:
    try:
        return CaseId(uuid_of((key or b"").decode()))
    except ValueError:
        return NOBODY
