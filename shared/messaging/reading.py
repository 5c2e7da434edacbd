"""The reading rule (D4, D5): which records of the log count, in one pure function.

Duplicates in the topic are legal. What counts is the place (source, case, sequence): the same
place with the same id is a duplicate, the same place with another id is a contradiction, a place
beyond the next one waits for what is missing before it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

from msgspec.json import Decoder, Encoder

from shared.identifiers import Source

Seen = NewType("Seen", dict[str, str])
"""Per source, the short ids of the events already applied, in their order, joined.

`{"intake": "9f2c…"}`: twelve hexadecimal digits an event. Their number is the last sequence.
Under `skipped` stand the records and the places that operators decided to go on without.
"""

_ENCODER: Final = Encoder(order="sorted")
_DECODER: Final = Decoder(dict[str, str])
_SHORT = 12
_SHORT_MASK = 16**_SHORT - 1
_PASSED_OVER = "0" * _SHORT
_SKIPPED = "skipped"
_MISSING_MAX = 1000
"""So many missing events may be passed over at once; a record farther ahead is only left out."""


class Verdict(StrEnum):
    """What to do with one record."""

    APPLY = "apply"
    SKIP = "skip"
    WAIT = "wait"
    CONTRADICTION = "contradiction"


def judge(seen: Mapping[str, str], source: Source, sequence: int, event_id: UUID) -> Verdict:
    """The verdict over a record at its place."""
    told = seen.get(source, "")
    place = (sequence - 1) * _SHORT
    if place == len(told):
        return Verdict.APPLY
    if place > len(told):
        passed = any(first <= sequence <= last for first, last in _passed(seen, source))
        return Verdict.SKIP if passed else Verdict.WAIT
    if told[place : place + _SHORT] in (_short(event_id), _PASSED_OVER):
        return Verdict.SKIP
    return Verdict.CONTRADICTION


def applied(seen: Mapping[str, str], source: Source, event_id: UUID) -> Seen:
    """What has been seen after one more event of a source was applied."""
    found = Seen({**seen, source.value: seen.get(source, "") + _short(event_id)})
    return _filled(found, source) if _SKIPPED in found else found


def passed_over(seen: Mapping[str, str], source: Source, sequence: int, event_id: UUID) -> Seen:
    """What has been seen when an operator decided to go on without a record.

    Its place counts as told, and so do the places before it that never came: should one of them
    come after all, it is skipped. A record that was told already changes nothing, nor does one so
    far ahead that its number must be wrong.
    """
    told = seen.get(source, "")
    missing = sequence - 1 - len(told) // _SHORT
    if not 0 <= missing <= _MISSING_MAX:
        return Seen(dict(seen))
    filled = told + _PASSED_OVER * missing + _short(event_id)
    return Seen({**seen, source.value: filled})


def written_seen(seen: Mapping[str, str]) -> str:
    """As a case's row keeps it: JSON, equal for equal contents."""
    return _ENCODER.encode(seen).decode()


def read_seen(text: str) -> Seen:
    """Read back what `written_seen` wrote."""
    return Seen(_DECODER.decode(text))


def with_skipped(seen: Mapping[str, str], token: str) -> Seen:
    """Remember that an operator decided to go on without the record of this token."""
    skipped = {*filter(None, seen.get(_SKIPPED, "").split(",")), token}
    return Seen({**seen, _SKIPPED: ",".join(sorted(skipped))})


def with_passed(seen: Mapping[str, str], source: Source, first: int, last: int) -> Seen:
    """Remember that an operator decided to go on without these places of a source.

    They count as told as soon as all before them are told, now or, when the log is read again,
    later: so a record that was read before the operator decided is read then, too.
    """
    return _filled(with_skipped(seen, f"{source.value}#{first}-{last}"), source)


def places_without(
    seen: Mapping[str, str], source: Source, sequence: int, *, alone: bool
) -> tuple[int, int] | None:
    """Which places a case passes over when it goes on without a record: its own, if `alone`,
    or else also those before it that never came. None if there is nothing to pass over."""
    following = last_sequence(seen, source) + 1
    if sequence < following:
        return None
    if alone:
        return sequence, sequence
    return (following, sequence) if sequence - following <= _MISSING_MAX else None


def is_skipped(seen: Mapping[str, str], event_id: UUID | None, partition: int, offset: int) -> bool:
    """Whether an operator decided to go on without this record."""
    if _SKIPPED not in seen:
        return False
    return token_of(event_id, partition, offset) in seen[_SKIPPED].split(",")


def token_of(event_id: UUID | None, partition: int, offset: int) -> str:
    """How a record that was skipped is known again: by its event, or else by its place."""
    return _short(event_id) if event_id is not None else f"{partition}:{offset}"


def last_sequence(seen: Mapping[str, str], source: Source) -> int:
    """The last sequence of a source that was applied; 0 when none was."""
    return len(seen.get(source, "")) // _SHORT


def _short(event_id: UUID) -> str:
    return f"{event_id.int & _SHORT_MASK:0{_SHORT}x}"


def places_taken(seen: Mapping[str, str]) -> int:
    """How many places of all sources together were applied or passed over."""
    return sum(len(told) // _SHORT for name, told in seen.items() if name != _SKIPPED)


def _passed(seen: Mapping[str, str], source: Source) -> list[tuple[int, int]]:
    """The ranges of places of a source that operators decided to go on without, in order."""
    found = []
    for token in seen.get(_SKIPPED, "").split(","):
        name, _, places = token.partition("#")
        if name == source.value and places:
            first, _, last = places.partition("-")
            found.append((int(first), int(last)))
    return sorted(found)


def _filled(seen: Seen, source: Source) -> Seen:
    """Count the places that are passed over as told, where everything before them is told."""
    told = seen.get(source, "")
    for first, last in _passed(seen, source):
        count = len(told) // _SHORT
        if first <= count + 1 <= last:
            told += _PASSED_OVER * (last - count)
    return Seen({**seen, source.value: told}) if told else seen
