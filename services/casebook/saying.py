"""What a record says of itself, hashed anew: read by an audit of very many records.

As strict as `envelope_of`: the same spelling is asked for, but no envelope is made of it. What is
not written as our relays write it takes the long way, which names the fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from operator import itemgetter
from re import Pattern
from typing import Final, NamedTuple
from uuid import UUID

from services.casebook.evidence import Key, LogRecord

# The look that `envelope_of` takes, without the making: nobody else needs it apart.
from shared.events.attributes import AS_WRITTEN as SPELLINGS
from shared.events.attributes import Headers
from shared.events.envelope import MalformedEnvelope, canonical, envelope_of, from_headers
from shared.identifiers import DEPARTMENT, Source, uuid_of
from shared.messaging.topics import DEPARTMENT_EVENTS

_SOURCES: Final = {source.value: source for source in Source}
_DEPARTMENT: Final = str(DEPARTMENT)


class Said(NamedTuple):
    """A fact's place, and what of it an audit keeps."""

    key: Key
    event_id: str
    digest: bytes
    previous: str
    type: str
    turn: int


class Unfit(Exception):
    """A record that no relay of ours has sent; with its place, as far as it has one."""

    def __init__(self, why: str, key: tuple[Source, UUID, int] | tuple[()] = ()) -> None:
        super().__init__(why)
        self.key: tuple[Source | None, UUID | None, int | None] = key or (None, None, None)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Records with the same headers: how their values are spelt, and the text that is hashed."""

    spelling: Pattern[str]
    template: bytes
    wanted: Callable[[Sequence[str]], tuple[str, ...]]


def said_in(record: LogRecord) -> Said:
    """What a record says.

    Raises:
        Unfit: it is not what a relay sends.
    """
    names, values = zip(*record.headers, strict=True) if record.headers else ((), ())
    shape = _SHAPES.get(names)
    if shape is None or record.value is None:
        raise _unfit(record)
    try:
        found = shape.spelling.fullmatch(b"\n".join(values).decode())
        if found is None:
            raise _unfit(record)
        case, event_id, previous, sequence, source, time, turn, type_ = shape.wanted(found.groups())
        datetime.fromisoformat(time)
    except (TypeError, ValueError):
        raise _unfit(record) from None
    is_elsewhere = (record.topic == DEPARTMENT_EVENTS) != (case == _DEPARTMENT)
    if is_elsewhere or record.key != case.encode():
        raise _unfit(record)
    text = shape.template % values[1:]
    digest = sha256(b"%b\n%b" % (text, record.value)).digest()
    key = (_SOURCES[source], uuid_of(case), int(sequence))
    return Said(key, event_id, digest, previous, type_, int(turn))


def canonical_text(headers: Headers) -> bytes:
    """What the journal keeps of an envelope, from headers that `envelope_of` could read."""
    shape = _SHAPES.get(tuple([name for name, _ in headers]))
    if shape is None:
        return canonical(from_headers(headers)).encode()
    return shape.template % tuple([value for _, value in headers[1:]])


def _unfit(record: LogRecord) -> Unfit:
    """Why; the long way."""
    try:
        envelope = envelope_of(record.headers)
    except MalformedEnvelope as malformed:
        return Unfit(str(malformed))
    key = (envelope.source, envelope.case_id, envelope.sequence)
    if record.key != str(envelope.case_id).encode():
        return Unfit("the key is not the case", key)
    if record.value is None:
        return Unfit("no value", key)
    if (record.topic == DEPARTMENT_EVENTS) != (envelope.case_id == DEPARTMENT):
        return Unfit("a case in the other topic", key)
    return Unfit("headers that are not the envelope's", key)


def _shape(names: Sequence[str], spelling: Pattern[str]) -> _Shape:
    # Values are of closed alphabets that JSON writes as they are.
    members = b",".join(b'"%b":"%%b"' % name[3:].encode() for name in names[1:])
    return _Shape(spelling, b"{%b}" % members, _wanted)


_wanted: Final = itemgetter(2, 3, 6, 8, 9, 11, 13, 14)
"""Of the groups of a spelling: case, id, prevhash, sequence, source, time, turn, type."""
_SHAPES: Final = {names: _shape(names, spelling) for names, spelling in SPELLINGS.items()}
