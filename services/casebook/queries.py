"""The questions that can be asked of casebook: SQL, with keys to go on from, and limits.

`office` None means all offices: for operators. Everything else is of one office only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from services.casebook.projections.counts import COUNTS, LOADS
from shared.directory import Acting, Away, Directory, Member
from shared.identifiers import Role
from shared.postgres.pool import Connection

LIST_MAX: Final = 200
GAP_SHOWN_S: Final = 60
"""A gap older than this is shown among the parked cases; it still heals by itself."""

_ONE: Final = "SELECT * FROM status WHERE case_id = $1 AND ($2::text IS NULL OR office = $2)"
_LISTED: Final = "SELECT * FROM status WHERE {} ORDER BY case_id DESC LIMIT $1"
_PARKED_REASON: Final = "SELECT parked FROM cases WHERE case_id = $1"
_TIMELINE: Final = """
SELECT *, kind = 'statement' OR ($2::text[])[turn + 1] = source AS held
FROM timeline WHERE case_id = $1 AND place > $3 AND ($5::bigint IS NULL OR effective < $5)
ORDER BY place LIMIT $4
"""
_TERMS: Final = """
SELECT turn, source, kind, due_clause FROM timeline
WHERE case_id = $1 AND due_clause IS NOT NULL AND kind <> 'statement'
  AND ($2::bigint IS NULL OR effective < $2) ORDER BY place LIMIT 1000
"""
_QUEUE: Final = """
SELECT * FROM status
WHERE ended_at IS NULL AND stage = $1
  AND ($2::text IS NULL OR office = $2)
  AND ($3::text IS NULL OR executor = $3)
  AND ($4::text[] IS NULL OR procedure || '@' || edition = ANY ($4))
  AND (NOT by_rule OR overdue OR due_at < now() OR $5)
  AND ($6::timestamptz IS NULL OR (due_at, case_id) > ($6, $7::uuid))
ORDER BY due_at, case_id LIMIT $8
"""
_OFFSETS: Final = """
SELECT topic, partition, next, log_end, seen_at, last_logged_at FROM offsets
ORDER BY topic, partition
"""
_MEMBERS: Final = """
SELECT staff, office, roles, active, sealed, event_id, type FROM members
WHERE ($1::text IS NULL OR office = $1) AND ($2::text IS NULL OR staff = $2)
ORDER BY staff LIMIT 2000
"""
_ABSENCES: Final = """
SELECT staff, first_day, last_day FROM absences
WHERE last_day >= $1 AND first_day <= $1 AND staff = ANY ($2::text[])
"""
_ACTING: Final = """
SELECT role, office, staff, first_day, last_day FROM acting
WHERE last_day >= $1 AND first_day <= $1 AND staff = ANY ($2::text[])
"""
_PARKED: Final = """
SELECT * FROM (
    SELECT front.case_id, front.office, 'parked' AS kind, front.reason, front.topic,
           front.partition, front."offset", front.logged_at,
           (SELECT count(*) - 1 FROM parked WHERE parked.case_id = front.case_id) AS behind
    FROM parked AS front WHERE front.reason IS NOT NULL
    UNION ALL
    SELECT DISTINCT ON (case_id) case_id, office, 'waiting',
           'missing: what ' || source || ' told before ' || sequence, topic, partition, "offset",
           logged_at, (SELECT count(*) - 1 FROM waiting AS others
                       WHERE others.case_id = waiting.case_id)
    FROM waiting WHERE logged_at < now() - make_interval(secs => $4)
) AS aside
WHERE ($1::text IS NULL OR office = $1) AND ($2::uuid IS NULL OR case_id > $2)
ORDER BY case_id LIMIT $3
"""


Row: TypeAlias = asyncpg.Record | dict[str, Any]
"""A row of status, as it is, or as it was and lies in no table."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases are asked for; what is None does not matter."""

    office: str | None = None
    applicant: UUID | None = None
    procedure: str | None = None
    state: str | None = None
    stage: str | None = None
    executor: str | None = None
    number: str | None = None
    after: UUID | None = None

    def condition(self, taken: int) -> tuple[str, list[object]]:
        """In SQL, behind so many parameters: only what matters, so that its indexes are used."""
        named = [(name, value) for name, value in self._equal().items() if value is not None]
        terms = [f"{name} = ${taken + place}" for place, (name, _) in enumerate(named, start=1)]
        values: list[object] = [value for _, value in named]
        if self.after is not None:
            values.append(self.after)
            terms.append(f"case_id < ${taken + len(values)}")
        return " AND ".join(terms) or "true", values

    def lets_through(self, row: Row) -> bool:
        """The same of a row that lies in no table."""
        same = all(value in (None, row[name]) for name, value in self._equal().items())
        return same and (self.after is None or row["case_id"] < self.after)

    def _equal(self) -> Mapping[str, object]:
        return {
            "office": self.office,
            "applicant": self.applicant,
            "procedure": self.procedure,
            "state": self.state,
            "stage": self.stage,
            "executor": self.executor,
            "registration_number": self.number,
        }


@dataclass(frozen=True, slots=True)
class Queue:
    """Which part of a queue is asked for."""

    stage: str
    office: str | None
    executor: str | None = None
    procedures: Sequence[str] | None = None
    by_rule: bool = False
    after: tuple[datetime, UUID] | None = None


class Span(NamedTuple):
    """Facts after a place in a case, how many, and of records before an offset if one is named."""

    after: int
    most: int
    before: int | None = None


async def offsets(connection: Connection) -> list[asyncpg.Record]:
    """Per partition, how far it is folded."""
    return await connection.fetch(_OFFSETS)


async def case(connection: Connection, case_id: UUID, office: str | None) -> asyncpg.Record | None:
    """The status row of one case, if there is one in that office."""
    return await connection.fetchrow(_ONE, case_id, office)


async def listed(connection: Connection, wanted: Filter, most: int) -> list[asyncpg.Record]:
    """Cases, the newest first; under one number: one, unless somebody broke the rule."""
    condition, values = wanted.condition(taken=1)
    return await connection.fetch(_LISTED.format(condition), most, *values)


async def parked_reason(connection: Connection, case_id: UUID) -> str | None:
    """Why a case is parked here."""
    found: str | None = await connection.fetchval(_PARKED_REASON, case_id)
    return found


async def timeline(connection: Connection, case: Row, span: Span) -> list[asyncpg.Record]:
    """Facts of a case in their order, each with whether its source held the turn."""
    case_id, path = case["case_id"], list(case["path"])
    return await connection.fetch(_TIMELINE, case_id, path, span.after, span.most, span.before)


async def step_clauses(connection: Connection, case: Row, before: int | None) -> dict[int, str]:
    """The clause under which each turn's step stands: the term that its holder was given."""
    found: dict[int, str] = {}
    path = case["path"]
    for row in await connection.fetch(_TERMS, case["case_id"], before):
        turn = row["turn"]
        if turn < len(path) and path[turn] == row["source"]:
            # A hand-off gives a term to the next holder; other facts name the one that runs.
            found[turn + (row["kind"] == "hand-off")] = row["due_clause"]
    return found


async def queue(connection: Connection, wanted: Queue, most: int) -> list[asyncpg.Record]:
    """Open cases of one stage, the most urgent first."""
    due, case_id = wanted.after or (None, None)
    return await connection.fetch(
        _QUEUE,
        wanted.stage,
        wanted.office,
        wanted.executor,
        wanted.procedures,
        wanted.by_rule,
        due,
        case_id,
        most,
    )


async def counts(connection: Connection, office: str | None) -> list[asyncpg.Record]:
    """Open cases by office, procedure and stage."""
    return await connection.fetch(COUNTS, office)


async def loads(connection: Connection, staff: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of each executor the open cases, and how many of them are late."""
    rows = await connection.fetch(LOADS, list(staff))
    return {row["executor"]: (row["open"], row["overdue"]) for row in rows}


async def members(
    connection: Connection, office: str | None, staff: str | None = None
) -> list[asyncpg.Record]:
    """Members of staff as recorded."""
    return await connection.fetch(_MEMBERS, office, staff)


async def directory(connection: Connection, rows: Sequence[asyncpg.Record], day: date) -> Directory:
    """The directory of these members on a day, for the rules in `shared.directory`."""
    staff = [row["staff"] for row in rows]
    absences = await connection.fetch(_ABSENCES, day, staff)
    acting = await connection.fetch(_ACTING, day, staff)
    return Directory(
        members={
            row["staff"]: Member(
                office=row["office"],
                roles=tuple(Role(role) for role in row["roles"]),
                active=row["active"],
            )
            for row in rows
        },
        absences=tuple(Away(**dict(row)) for row in absences),
        acting=tuple(Acting(**dict(row)) for row in acting),
    )


async def parked(
    connection: Connection, office: str | None, after: UUID | None, most: int
) -> list[asyncpg.Record]:
    """Cases that are parked, or have waited for a missing record for too long."""
    return await connection.fetch(_PARKED, office, after, most, float(GAP_SHOWN_S))
