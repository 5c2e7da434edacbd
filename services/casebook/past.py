"""How things stood at a moment of the past, without touching what stands now.

A timeline keeps every fact with the record with which it took effect. So a case as of a moment is
the fold of those facts whose record lies before the moment's place in the log: the same fold by
which its status is written. A case to which nothing has happened since stands now as it stood then.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from services.casebook.projections import status
from services.casebook.queries import Filter, Queue, Row
from services.casebook.standing import Standing
from shared.errors import Because, Refused
from shared.events.catalogue import BY_TYPE, Entry
from shared.events.event import ERASED, Event
from shared.events.upcasts import UPCASTS
from shared.identifiers import CaseId, EventId, Source
from shared.postgres.pool import Connection

FACTS_MAX: Final = 2_000
"""Facts of one case that a look back folds."""
CASES_MAX: Final = 5_000
"""Cases of a list that may have changed since the moment: each of them is folded again."""
_AT_ONCE: Final = 500

_FACTS: Final = """
SELECT case_id, source, sequence, turn, event_id, type, said, partition, "offset", effective
FROM timeline JOIN unnest($1::uuid[], $2::bigint[]) AS wanted (case_id, before) USING (case_id)
WHERE effective < before ORDER BY case_id, place
"""
_PARKED: Final = """
SELECT reason FROM setbacks
WHERE case_id = $1 AND since < $2 AND (until IS NULL OR until >= $2)
"""
_THEN: Final = """
JOIN unnest($1::smallint[], $2::bigint[]) AS moment (partition, before)
  ON moment.partition = status.partition
"""
_CHANGED: Final = """
SELECT status.case_id, status.partition, synthetic, before FROM status {then}
WHERE effective >= before AND {condition} LIMIT $3
"""
_QUEUE: Final = """
SELECT status.* FROM status {then}
WHERE effective < before AND ended_at IS NULL AND stage = $3
  AND ($4::text IS NULL OR office = $4)
  AND ($5::text IS NULL OR executor = $5)
  AND ($6::text[] IS NULL OR procedure || '@' || edition = ANY ($6))
  AND (NOT by_rule OR overdue OR due_at < $7 OR $8)
  AND ($9::timestamptz IS NULL OR (due_at, case_id) > ($9, $10::uuid))
ORDER BY due_at, case_id LIMIT $11
"""
_LIST: Final = """
SELECT status.* FROM status {then}
WHERE effective < before AND {condition} ORDER BY case_id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, and per partition the offset before which records count."""

    at: datetime
    before: Mapping[int, int]

    @property
    def columns(self) -> tuple[list[int], list[int]]:
        """As SQL takes it."""
        return list(self.before.keys()), list(self.before.values())


class _Heading(NamedTuple):
    event_id: EventId
    source: Source
    sequence: int
    turn: int
    synthetic: bool


class _Heard(NamedTuple):
    """A fact as a timeline has kept it."""

    envelope: _Heading
    entry: Entry
    event: Event


async def case(connection: Connection, row: Row, moment: Moment) -> Row | None:
    """How the case of a row stood; None: nobody had heard of it.

    Raises:
        Refused: it has too many facts.
    """
    before = moment.before[row["partition"]]
    if row["effective"] < before:
        return row
    facts = await connection.fetch(f"{_FACTS} LIMIT {FACTS_MAX + 1}", [row["case_id"]], [before])
    if len(facts) > FACTS_MAX:
        raise _too_much(f"a case of at most {FACTS_MAX} facts", "a case of more")
    return folded(facts, synthetic=row["synthetic"])


async def parked_reason(connection: Connection, case_id: UUID, before: int) -> str | None:
    """Why a case was parked, if it was."""
    found: str | None = await connection.fetchval(_PARKED, case_id, before)
    return found


async def queue(connection: Connection, wanted: Queue, moment: Moment, most: int) -> list[Row]:
    """The open cases of a stage as they were, the most urgent first. Raises Refused."""
    due, case_id = wanted.after or (None, None)
    unchanged = await connection.fetch(
        _QUEUE.format(then=_THEN), *moment.columns, wanted.stage, wanted.office, wanted.executor,
        wanted.procedures, moment.at, wanted.by_rule, due, case_id, most,
    )  # fmt: skip
    changed = [
        row
        async for row in _changed(connection, moment, Filter(office=wanted.office))
        if _waited_in(row, wanted, moment)
    ]
    rows: list[Row] = [*unchanged, *changed]
    return sorted(rows, key=lambda row: (row["due_at"], row["case_id"]))[:most]


async def listed(connection: Connection, wanted: Filter, moment: Moment, most: int) -> list[Row]:
    """Cases as they stood, the newest first. Raises Refused."""
    condition, values = wanted.condition(taken=3)
    query = _LIST.format(then=_THEN, condition=condition)
    unchanged = await connection.fetch(query, *moment.columns, most, *values)
    changed = [
        row async for row in _changed(connection, moment, wanted) if wanted.lets_through(row)
    ]
    rows: list[Row] = [*unchanged, *changed]
    return sorted(rows, key=lambda row: row["case_id"], reverse=True)[:most]


async def _changed(connection: Connection, moment: Moment, wanted: Filter) -> AsyncIterator[Row]:
    """The cases to which something has happened since, as they stood."""
    # Only by what never changes in a case.
    lasting = Filter(wanted.office, wanted.applicant, wanted.procedure)
    condition, values = lasting.condition(taken=3)
    query = _CHANGED.format(then=_THEN, condition=condition)
    cases = await connection.fetch(query, *moment.columns, CASES_MAX + 1, *values)
    if len(cases) > CASES_MAX:
        raise _too_much(f"at most {CASES_MAX} cases that changed since", "more")
    for first in range(0, len(cases), _AT_ONCE):
        some = {row["case_id"]: row for row in cases[first : first + _AT_ONCE]}
        befores = [row["before"] for row in some.values()]
        facts = await connection.fetch(_FACTS, list(some), befores)
        for case_id, mine in groupby(facts, key=lambda fact: fact["case_id"]):
            row = folded(list(mine), synthetic=some[case_id]["synthetic"])
            if row is not None:
                yield row
        await asyncio.sleep(0)  # others want to be answered, too


def folded(facts: Sequence[asyncpg.Record], *, synthetic: bool) -> Row | None:
    """The row of status that these facts of one case make, given in their order."""
    if not facts:
        return None
    standing = Standing()
    for fact in facts:
        standing.hear(_heard(fact, synthetic=synthetic))
    last = facts[-1]
    place = (last["partition"], last["offset"], last["effective"])
    row = status.row_with(CaseId(last["case_id"]), standing, place)
    if row is None:
        return None
    found: dict[str, Any] = dict(zip(status.COLUMNS, row, strict=True))
    # As a table gives them.
    return {**found, "applicant": UUID(found["applicant"]), "path": list(found["path"])}


def _heard(fact: asyncpg.Record, *, synthetic: bool) -> _Heard:
    type_ = fact["type"]
    entry = BY_TYPE[UPCASTS[type_][0] if type_ in UPCASTS else type_]
    said = fact["said"]
    if "private" in entry.model.model_fields:
        # What is sealed says nothing about where a case stands.
        said = f'{said[:-1]}{"," if len(said) > 2 else ""}"private":"{ERASED}"}}'  # noqa: PLR2004
    heading = _Heading(
        EventId(fact["event_id"]), Source(fact["source"]), fact["sequence"], fact["turn"], synthetic
    )
    return _Heard(heading, entry, entry.model.model_validate_json(said))


def _waited_in(row: Row, wanted: Queue, moment: Moment) -> bool:
    """Whether a case that has changed since stood in the queue then."""
    due = row["due_at"]
    return (
        row["ended_at"] is None
        and row["stage"] == wanted.stage
        and wanted.office in (None, row["office"])
        and wanted.executor in (None, row["executor"])
        and (
            wanted.procedures is None or f"{row['procedure']}@{row['edition']}" in wanted.procedures
        )
        and (not row["by_rule"] or row["overdue"] or due < moment.at or wanted.by_rule)
        and (wanted.after is None or (due, row["case_id"]) > wanted.after)
    )


def _too_much(expected: str, found: str) -> Refused:
    return Refused(
        "a look back costs no more than a question may",
        expected=f"{expected}; ask for a later moment, one office, one person or one procedure",
        found=found,
        because=Because.INPUT,
        field="at",
    )
