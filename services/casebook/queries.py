"""What is asked of casebook beside its projections' own lists: SQL, in pages.

`office` None means all offices: for operators. Everything else is of one office only.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg

from services.casebook.paging import Order, Page, Row
from services.casebook.projections.counts import COUNTS, LOADS
from shared.directory import Acting, Away, Directory, Member
from shared.identifiers import Role
from shared.postgres.pool import Connection

GAP_SHOWN_S: Final = 60
"""A gap older than this is shown among the parked cases; it still heals by itself."""

IN_ORDER: Final = Order("timeline", {"place": int})
PARKED: Final = Order("parked", {"case_id": UUID, "kind": str})
BY_STAFF: Final = Order("directory", {"staff": str})

_ONE: Final = "SELECT * FROM status WHERE case_id = $1 AND ($2::text IS NULL OR office = $2)"
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
_OFFSETS: Final = """
SELECT topic, partition, next, log_end, seen_at, last_logged_at FROM offsets
ORDER BY topic, partition
"""
_MEMBER: Final = """
SELECT staff, office, roles, active, sealed, event_id, type FROM members
WHERE office = $1 AND staff = $2
"""
_MEMBERS: Final = """
SELECT staff, office, roles, active, sealed, event_id, type FROM members
WHERE ($1::text IS NULL OR office = $1) AND ($2::text IS NULL OR staff > $2)
ORDER BY staff LIMIT $3
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
WHERE ($1::text IS NULL OR office = $1)
  AND ($2::uuid IS NULL OR (case_id, kind) > ($2, $5::text))
ORDER BY case_id, kind LIMIT $3
"""


async def offsets(connection: Connection) -> list[asyncpg.Record]:
    """Per partition, how far it is folded."""
    return await connection.fetch(_OFFSETS)


async def case(connection: Connection, case_id: UUID, office: str | None) -> asyncpg.Record | None:
    """The status row of one case, if there is one in that office."""
    return await connection.fetchrow(_ONE, case_id, office)


async def parked_reason(connection: Connection, case_id: UUID) -> str | None:
    """Why a case is parked here."""
    found: str | None = await connection.fetchval(_PARKED_REASON, case_id)
    return found


async def timeline(
    connection: Connection, case: Row, page: Page, before: int | None
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """Facts of a case in their order, each with whether its source held the turn.

    `before`: only what took effect before that offset.
    """
    [after] = IN_ORDER.place(page) or (0,)
    path = list(case["path"])
    rows = await connection.fetch(_TIMELINE, case["case_id"], path, after, page.most, before)
    return IN_ORDER.cut(rows, page)


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


async def counts(connection: Connection, office: str | None) -> list[asyncpg.Record]:
    """Open cases by office, procedure and stage."""
    return await connection.fetch(COUNTS, office)


async def loads(connection: Connection, staff: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of each executor the open cases, and how many of them are late."""
    rows = await connection.fetch(LOADS, list(staff))
    return {row["executor"]: (row["open"], row["overdue"]) for row in rows}


async def member(connection: Connection, office: str, staff: str) -> list[asyncpg.Record]:
    """One member of staff as recorded, or none."""
    return await connection.fetch(_MEMBER, office, staff)


async def members(
    connection: Connection, office: str | None, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """Members of staff as recorded."""
    [after] = BY_STAFF.place(page) or (None,)
    rows = await connection.fetch(_MEMBERS, office, after, page.most)
    return BY_STAFF.cut(rows, page)


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
    connection: Connection, office: str | None, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """Cases that are parked, or have waited for a missing record for too long."""
    case_id, kind = PARKED.place(page) or (None, None)
    rows = await connection.fetch(_PARKED, office, case_id, page.most, float(GAP_SHOWN_S), kind)
    return PARKED.cut(rows, page)
