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
from shared.events.notify import NoticeFailed, NoticeSent
from shared.postgres.pool import Connection

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
    rows = [row for file in files for row in rows_of(file)]
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
    envelope = told.fact.envelope
    match told.fact.event:
        case NoticeSent(way=way, template=template, sent_at=at):
            became: Row = (way, template, "sent", None, at)
        case NoticeFailed(way=way, template=template, reason=reason, failed_at=at):
            became = (way, template, "failed", reason, at)
        case _:
            return None
    return envelope.case_id, envelope.sequence, envelope.office, *became
