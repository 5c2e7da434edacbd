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
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.casebook.conditions import Conditions
from services.casebook.paging import Order, Page, Row
from services.casebook.projections import queues, status
from services.casebook.projections.queues import Queue
from services.casebook.projections.search import MOST_URGENT, Sought, conditions_of, fits
from services.casebook.standing import Standing
from shared.errors import Because, Refused
from shared.events.attributes import EVENT, SEQUENCE, SOURCE, SPELT_LENGTH, SYNTHETIC, TURN, Spelt
from shared.events.catalogue import BY_TYPE, Entry
from shared.events.event import ERASED
from shared.events.spelling import Words, spelt, words_in
from shared.events.upcasts import UPCASTS
from shared.identifiers import CaseId
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
# No index on `effective`: it moves with every fact of a case, and would cost each of them; a look
# back reads the whole table instead, some 25 ms for 100,000 cases, and only a few at a time may.
_ROWS: Final = """
SELECT {columns} FROM status
JOIN unnest({parts}::smallint[], {befores}::bigint[]) AS moment (partition, before)
  ON moment.partition = status.partition
WHERE {where}{order} LIMIT {limit}
"""

_NEWEST: Final = Order("past", {"case_id": UUID})


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, and per partition the offset before which records count."""

    at: datetime
    before: Mapping[int, int]

    @property
    def columns(self) -> tuple[list[int], list[int]]:
        """As SQL takes it."""
        return list(self.before.keys()), list(self.before.values())


class _Heard(NamedTuple):
    """A fact as a timeline has kept it."""

    heading: Spelt
    entry: Entry
    words: Words


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


async def queue(
    connection: Connection, wanted: Queue, moment: Moment, page: Page
) -> tuple[Sequence[Row], str | None]:
    """A page of the open cases of a stage as they were, the most urgent first. Raises Refused."""
    place = MOST_URGENT.place(page)
    conditions = queues.conditions_of(wanted, moment.at)
    if place is not None:
        conditions.must("(due_at, case_id) > ({}, {})", *place)
    rows: list[Row] = [*await _unchanged(connection, moment, conditions, "due_at, case_id", page)]
    offices = () if wanted.office is None else (wanted.office,)
    async for row in _changed(connection, moment, Sought(offices=offices)):
        if _waited_in(row, wanted, moment) and (place is None or _due_at(row) > place):
            rows.append(row)
    return MOST_URGENT.cut(sorted(rows, key=_due_at)[: page.most], page)


async def listed(
    connection: Connection, sought: Sought, moment: Moment, page: Page
) -> tuple[Sequence[Row], str | None]:
    """A page of the cases as they stood, the newest first. Raises Refused."""
    [last] = _NEWEST.place(page) or (None,)
    conditions = conditions_of(sought, _NEWEST)
    conditions.may("case_id < {}", last)
    rows: list[Row] = [*await _unchanged(connection, moment, conditions, "case_id DESC", page)]
    async for row in _changed(connection, moment, sought):
        if fits(sought, row) and (last is None or row["case_id"] < last):
            rows.append(row)
    rows.sort(key=lambda row: row["case_id"], reverse=True)
    return _NEWEST.cut(rows[: page.most], page)


async def _unchanged(
    connection: Connection, moment: Moment, wanted: Conditions, order: str, page: Page
) -> list[asyncpg.Record]:
    """The cases to which nothing has happened since, which stand now as they stood."""
    wanted.must("effective < before")
    query = _query(moment, wanted, "status.*", f" ORDER BY {order}", page.most)
    return await connection.fetch(query, *wanted.values)


async def _changed(connection: Connection, moment: Moment, sought: Sought) -> AsyncIterator[Row]:
    """The cases to which something has happened since, as they stood."""
    # Only by what never changes in a case.
    lasting = Sought(offices=sought.offices, applicant=sought.applicant, procedure=sought.procedure)
    wanted = conditions_of(lasting, _NEWEST)
    wanted.must("effective >= before")
    columns = "status.case_id, synthetic, before"
    query = _query(moment, wanted, columns, "", CASES_MAX + 1)
    cases = await connection.fetch(query, *wanted.values)
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
    return None if row is None else dict(zip(status.COLUMNS, row, strict=True))


def _heard(fact: asyncpg.Record, *, synthetic: bool) -> _Heard:
    type_ = fact["type"]
    entry = BY_TYPE[UPCASTS[type_][0] if type_ in UPCASTS else type_]
    said = fact["said"]
    if "private" in entry.model.model_fields:
        # What is sealed says nothing about where a case stands.
        said = f'{said[:-1]}{"," if len(said) > 2 else ""}"private":"{ERASED}"}}'  # noqa: PLR2004
    data = said.encode()
    words = spelt(entry.model, data)
    if words is None:
        words = words_in(entry.model.model_validate_json(data))
    return _Heard(_heading(fact, synthetic=synthetic), entry, words)


def _heading(fact: asyncpg.Record, *, synthetic: bool) -> Spelt:
    """What a timeline keeps of an envelope, as far as it matters to where a case stands."""
    found = [""] * SPELT_LENGTH
    found[EVENT], found[SOURCE] = str(fact["event_id"]), fact["source"]
    found[SEQUENCE], found[TURN] = str(fact["sequence"]), str(fact["turn"])
    found[SYNTHETIC] = "true" if synthetic else "false"
    return tuple(found)


def _query(moment: Moment, wanted: Conditions, columns: str, order: str, limit: int) -> str:
    parts, befores = map(wanted.parameter, moment.columns)
    most = wanted.parameter(limit)
    return _ROWS.format(
        columns=columns, parts=parts, befores=befores, where=wanted.where, order=order, limit=most
    )


def _due_at(row: Row) -> tuple[object, ...]:
    return row["due_at"], row["case_id"]


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
    )


def _too_much(expected: str, found: str) -> Refused:
    return Refused(
        "a look back costs no more than a question may",
        expected=f"{expected}; ask for a later moment, one office, one person or one procedure",
        found=found,
        because=Because.INPUT,
        field="at",
    )
