"""One record of the log, taken apart as far as it can be: nothing here raises on bad input."""

import base64
import json
from dataclasses import dataclass
from uuid import UUID

from aiokafka import ConsumerRecord

from shared.events.codec import MalformedEvent, UnknownType, fact
from shared.events.envelope import Fact, MalformedEnvelope, from_headers
from shared.identifiers import CaseId

NOBODY = CaseId(UUID(int=0))
"""Stands for the case of a record whose key is no case id: there is nothing to set aside."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record with the fact it holds, or the fault that keeps it from being one."""

    topic: str
    partition: int
    offset: int
    case_id: CaseId
    fact: Fact | None
    fault: str | None
    headers: tuple[tuple[str, bytes | None], ...]
    data: bytes

    @property
    def event_id(self) -> UUID | None:
        """The event's id, if the record is a fact."""
        return None if self.fact is None else self.fact.envelope.event_id

    @property
    def headers_text(self) -> str:
        """The headers as they came, kept for the operator: name to base64 of the value."""
        return json.dumps(
            [
                [name, None if value is None else base64.b64encode(value).decode()]
                for name, value in self.headers
            ]
        )


def incoming(record: ConsumerRecord) -> Incoming:
    """Take a record apart. Its key names the case; an envelope of another case is a fault."""
    return taken_apart(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        tuple(record.headers),
        record.value,
    )


def taken_apart(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: tuple[tuple[str, bytes | None], ...],
    value: bytes | None,
) -> Incoming:
    """As `incoming`, from the pieces: how a record that was set aside is read again."""
    case_id = _case(key)
    found: Fact | None = None
    fault: str | None = None
    try:
        if value is None:
            raise MalformedEvent("the record has no value")
        found = fact(from_headers(headers), value)
        if found.envelope.case_id != case_id:
            found, fault = None, "the key is not the case of the envelope"
    except UnknownType as error:
        fault = f"unknown type {error}"
    except (MalformedEnvelope, MalformedEvent) as error:
        fault = str(error)
    if fault is not None:
        fault = "".join(sign if sign.isprintable() else "?" for sign in fault)[:300]
    return Incoming(topic, partition, offset, case_id, found, fault, headers, value or b"")


def headers_from_text(text: str) -> tuple[tuple[str, bytes | None], ...]:
    """Read back `Incoming.headers_text`."""
    return tuple(
        (name, None if value is None else base64.b64decode(value))
        for name, value in json.loads(text)
    )


def _case(key: bytes | None) -> CaseId:
    try:
        return CaseId(UUID((key or b"").decode()))
    except ValueError:
        return NOBODY
