"""The reading rule (D4, D5): which records of the log count, in one pure function.

Duplicates in the topic are legal. What counts is the place (source, case, sequence): the same
place with the same id is a duplicate, the same place with another id is a contradiction, a place
beyond the next one waits for what is missing before it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NewType
from uuid import UUID

from shared.identifiers import Source

Seen = NewType("Seen", dict[str, str])
"""Per source, the short ids of the events already applied, in their order, joined.

`{"intake": "9f2c…"}`: twelve hexadecimal digits an event. Their number is the last sequence.
"""

_SHORT = 12
_PASSED_OVER = "0" * _SHORT
_SKIPPED = "skipped"
_MISSING_MAX = 1000
"""So many missing events may be passed over at once; a record farther ahead is only left out."""


class Verdict(Enum):
    """What to do with one record."""

    APPLY = "apply"
    SKIP = "skip"
    WAIT = "wait"
    CONTRADICTION = "contradiction"


def judge(seen: Mapping[str, str], source: Source, sequence: int, event_id: UUID) -> Verdict:
    """The verdict over a record at its place."""
    told = seen.get(source.value, "")
    place = (sequence - 1) * _SHORT
    if place == len(told):
        return Verdict.APPLY
    if place > len(told):
        return Verdict.WAIT
    if told[place : place + _SHORT] in (event_id.hex[-_SHORT:], _PASSED_OVER):
        return Verdict.SKIP
    return Verdict.CONTRADICTION


def applied(seen: Mapping[str, str], source: Source, event_id: UUID) -> Seen:
    """What has been seen after one more event of a source was applied."""
    told = seen.get(source.value, "")
    return Seen({**seen, source.value: told + event_id.hex[-_SHORT:]})


def passed_over(seen: Mapping[str, str], source: Source, sequence: int, event_id: UUID) -> Seen:
    """What has been seen when an operator decided to go on without a record.

    Its place counts as told, and so do the places before it that never came: should one of them
    come after all, it is skipped. A record that was
    told already changes nothing, nor does one so far ahead that its number must be wrong.
    """
    told = seen.get(source.value, "")
    missing = sequence - 1 - len(told) // _SHORT
    if not 0 <= missing <= _MISSING_MAX:
        return Seen(dict(seen))
    filled = told + _PASSED_OVER * missing + event_id.hex[-_SHORT:]
    return Seen({**seen, source.value: filled})


def with_skipped(seen: Mapping[str, str], token: str) -> Seen:
    """Remember that an operator decided to go on without the record of this token."""
    skipped = {*filter(None, seen.get(_SKIPPED, "").split(",")), token}
    return Seen({**seen, _SKIPPED: ",".join(sorted(skipped))})


def is_skipped(seen: Mapping[str, str], token: str) -> bool:
    """Whether an operator decided to go on without this record."""
    return _SKIPPED in seen and token in seen[_SKIPPED].split(",")


def token_of(event_id: UUID | None, partition: int, offset: int) -> str:
    """How a record that was skipped is known again: by its event, or else by its place."""
    return event_id.hex[-_SHORT:] if event_id is not None else f"{partition}:{offset}"


def last_sequence(seen: Mapping[str, str], source: Source) -> int:
    """The last sequence of a source that was applied; 0 when none was."""
    return len(seen.get(source.value, "")) // _SHORT
