"""Messages to applicants: each one that was sent, or failed and why, the last first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.casebook.admission import CaseFile, Told
from services.casebook.bulk import Row
from services.casebook.conditions import Conditions
from services.casebook.paging import Order, Page
from shared.events.attributes import OFFICE, SEQUENCE
from shared.events.notify import NoticeFailed, NoticeSent
from shared.events.spelling import picking
from shared.postgres.pool import Connection

_sending = picking(NoticeSent, "way", "template", "sent_at")
_failing = picking(NoticeFailed, "way", "template", "failed_at", "reason")

LAST_FIRST: Final = Order("notices", {"at": datetime, "case_id": UUID, "sequence": int})

COLUMNS: Final = (
    "case_id", "sequence", "office", "way", "template", "outcome", "reason", "at",
)  # fmt: skip
_INSERT: Final = """
INSERT INTO notices (case_id, sequence, office, way, template, outcome, reason, at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::timestamptz[])
ON CONFLICT (case_id, sequence) DO NOTHING
"""
_LIST: Final = """
SELECT notices.*, status.registration_number
FROM notices LEFT JOIN status ON status.case_id = notices.case_id
WHERE {where}
ORDER BY at DESC, notices.case_id DESC, sequence DESC LIMIT {limit}
"""


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Add what became of messages."""
    await add(connection, [row for file in files for row in rows_of(file)])


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """These, in bulk."""
    if rows:
        await connection.execute(_INSERT, *zip(*rows, strict=True))


def rows_of(file: CaseFile) -> list[Row]:
    """What the facts that a case has just been told say of messages."""
    return [row for told in file.told if (row := _row(told)) is not None]


async def listed(
    connection: Connection, wanted: Conditions, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """A page of the messages that fulfil some conditions."""
    place = LAST_FIRST.place(page)
    if place is not None:
        wanted.must("(at, notices.case_id, sequence) < ({}, {}, {})", *place)
    limit = wanted.parameter(page.most)
    statement = _LIST.format(where=wanted.where, limit=limit)
    return LAST_FIRST.cut(await connection.fetch(statement, *wanted.values), page)


def _row(told: Told) -> Row | None:
    fact = told.fact
    model = fact.entry.model
    if model is NoticeSent:
        (way, template, at), outcome, reason = _sending(fact.words), "sent", None
    elif model is NoticeFailed:
        (way, template, at, reason), outcome = _failing(fact.words), "failed"
    else:
        return None
    when = datetime.fromisoformat(str(at))
    place = (told.arrival.case_id, int(fact.heading[SEQUENCE]), fact.heading[OFFICE])
    return *place, way, template, outcome, reason, when
