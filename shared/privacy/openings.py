"""Who opened what is sealed: every opening by a person is written down before the keys are given.

Rows are only ever added (a trigger refuses the rest) and stay when keys are destroyed: who saw a
person's data is asked for after an erasure, too. Automatic steps are not persons; what they open
follows from the log (ADR 0023).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg

from shared.identifiers import CaseId, EventId, Role
from shared.postgres.pool import Connection

OPENINGS_MAX: Final = 10_000
"""How many openings of a case are listed, the newest."""

# One statement, so one transaction: no key comes out of it whose opening was not committed.
_OPEN: Final = """
WITH wanted AS (
    SELECT case_id, array_agg(event_id ORDER BY event_id) AS events
    FROM unnest($1::uuid[], $2::uuid[]) AS block (case_id, event_id) GROUP BY case_id
), given AS (
    SELECT case_id, events, wrapped FROM wanted JOIN case_keys USING (case_id)
), noted AS (
    INSERT INTO openings (case_id, events, staff, roles, office, purpose)
    SELECT case_id, events, $3, $4::text[], $5, $6 FROM given ORDER BY case_id
    RETURNING case_id
)
SELECT case_id, wrapped FROM given JOIN noted USING (case_id)
"""
_OF_CASE: Final = """
SELECT * FROM (
    SELECT position, opened_at, staff, roles, office, purpose, events
    FROM openings WHERE case_id = $1 ORDER BY position DESC LIMIT $2
) AS newest ORDER BY position
"""


class Purpose(StrEnum):
    """What for a person opens sealed data. Outside the resolution."""

    CASE_WORK = "case-work"
    """To do a step of the case."""
    APPLICANT_ASKS = "applicant-asks"
    """The applicant, or who acts for them, asks what stands in the case."""
    COMPLAINT = "complaint"
    COURT = "court"
    """A court, a prosecutor or another body that may ask by law."""
    AUDIT = "audit"
    DIRECTORY = "directory"
    """The names of colleagues."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Which person opens, as what, and what for."""

    staff: str
    roles: frozenset[Role]
    office: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Opening:
    """One line of the list."""

    position: int
    opened_at: datetime
    staff: str
    roles: tuple[str, ...]
    office: str
    purpose: str
    events: tuple[UUID, ...]


def open_arguments(
    blocks: Mapping[CaseId, Sequence[EventId]], opener: Opener
) -> tuple[str, Sequence[object]]:
    """The statement that notes an opening and gives the keys, with its arguments."""
    pairs = [(case_id, event) for case_id, events in sorted(blocks.items()) for event in events]
    cases, events = zip(*pairs, strict=True)
    who = (opener.staff, sorted(opener.roles), opener.office, opener.purpose.value)
    return _OPEN, (list(cases), list(events), *who)


async def openings_of(connection: Connection, case_id: CaseId) -> list[Opening]:
    """Who opened what of a case, oldest first."""
    rows = await connection.fetch(_OF_CASE, case_id, OPENINGS_MAX)
    return [_opening(row) for row in rows]


def _opening(row: asyncpg.Record) -> Opening:
    return Opening(
        position=row["position"],
        opened_at=row["opened_at"],
        staff=row["staff"],
        roles=tuple(row["roles"]),
        office=row["office"],
        purpose=row["purpose"],
        events=tuple(row["events"]),
    )
