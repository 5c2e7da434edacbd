"""The journals of all stages, as an operator reads them: with a database URL of their own."""

from collections.abc import AsyncIterator
from typing import Final

import asyncpg

from services.casebook.evidence import Recorded
from shared.identifiers import CaseId, Source
from shared.postgres.pool import Connection, Limits, connect

_BATCH: Final = 2000
_HOURS_S: Final = 6 * 3600.0
_LIMITS: Final = Limits(statement_s=_HOURS_S, idle_in_transaction_s=_HOURS_S)

_ROWS: Final = """
SELECT j.position, j.case_id, j.sequence, j.event_id, j.event_type, j.attributes, j.data, j.hash,
       j.recorded_at, p.partition, p."offset", o.position IS NOT NULL AS waits
FROM {0}.journal j
LEFT JOIN {0}.published p ON p.position = j.position
LEFT JOIN {0}.outbox o ON o.position = j.position
ORDER BY j.case_id, j.sequence, j.position
"""
_STRAY: Final = """
SELECT position FROM {0}.{1} s
WHERE NOT EXISTS (SELECT FROM {0}.journal j WHERE j.position = s.position)
ORDER BY position LIMIT 1000
"""
_FACTS: Final = """
SELECT '{0}' AS source, j.position, j.case_id, j.sequence, j.event_id, j.attributes, j.data,
       j.hash, p.partition, p."offset",
       CASE WHEN p.position IS NULL
            THEN max(j.recorded_at) OVER (ORDER BY j.position) END AS recorded
FROM {0}.journal j LEFT JOIN {0}.published p ON p.position = j.position
"""
_IN_ORDER: Final = """
SELECT * FROM ({0}) AS facts
ORDER BY partition NULLS LAST, "offset", recorded, source, position
"""


async def open_journals(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection for work that may take hours. Raises Unavailable."""
    return await connect(url, schema="public", application_name="qyzmet", limits=_LIMITS)


async def schemas_of_stages(connection: Connection) -> list[Source]:
    """The stages that have a journal here."""
    found = []
    for source in Source:
        if await connection.fetchval("SELECT to_regclass($1)", f"{source.value}.journal"):
            found.append(source)
    return found


async def journal_of(connection: Connection, source: Source) -> AsyncIterator[Recorded]:
    """The rows of one journal in the order of (case, sequence). Inside a transaction."""
    cursor = await connection.cursor(_ROWS.format(source.value))
    while rows := await cursor.fetch(_BATCH):
        for row in rows:
            yield Recorded(
                source=source,
                position=row["position"],
                case_id=CaseId(row["case_id"]),
                sequence=row["sequence"],
                event_id=row["event_id"],
                event_type=row["event_type"],
                attributes=row["attributes"],
                data=row["data"],
                hash=row["hash"],
                recorded_at=row["recorded_at"],
                partition=row["partition"],
                offset=row["offset"],
                waits=row["waits"],
            )


async def strays_of(connection: Connection, source: Source, table: str) -> list[int]:
    """Positions in `published` or `outbox` that the journal does not have."""
    rows = await connection.fetch(_STRAY.format(source.value, table))
    return [row["position"] for row in rows]


async def facts_in_order(
    connection: Connection, sources: list[Source]
) -> AsyncIterator[list[asyncpg.Record]]:
    """All facts of all journals as they are to stand in the log. Inside a transaction.

    First what was published, in the order of (partition, offset); then the rest by the time of
    recording, but never against the order of a journal.
    """
    if not sources:
        return
    facts = " UNION ALL ".join(_FACTS.format(source.value) for source in sources)
    cursor = await connection.cursor(_IN_ORDER.format(facts))
    while rows := await cursor.fetch(_BATCH):
        yield rows
