"""Records that stand aside, exactly as they came: waiting for a missing one, or parked."""

from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg

from services.casebook.admission import CaseFile
from services.casebook.arrivals import Arrival, LogRecord, Raw, arrival_of, logged_at
from shared.identifiers import CaseId
from shared.messaging.records import headers_in, headers_text
from shared.postgres.pool import Connection

_WAITING: Final = """
SELECT case_id, topic, partition, "offset", logged_at, key, headers, value
FROM waiting WHERE case_id = ANY ($1::uuid[]) ORDER BY case_id, "offset"
"""
_PARKED: Final = """
SELECT case_id, topic, partition, "offset", logged_at, key, headers, value
FROM parked WHERE case_id = ANY ($1::uuid[]) ORDER BY case_id, "offset"
"""
_KEEP_WAITING: Final = """
INSERT INTO waiting (case_id, source, sequence, event_id, office, topic, partition, "offset",
                     logged_at, key, headers, value)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::uuid[], $5::text[], $6::text[],
                     $7::smallint[], $8::bigint[], $9::timestamptz[], $10::bytea[],
                     $11::text[], $12::bytea[])
ON CONFLICT (case_id, source, sequence) DO NOTHING
"""
_KEEP_PARKED: Final = """
INSERT INTO parked (case_id, office, reason, topic, partition, "offset", logged_at, key,
                    headers, value)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[],
                     $6::bigint[], $7::timestamptz[], $8::bytea[], $9::text[], $10::bytea[])
ON CONFLICT (topic, partition, "offset") DO NOTHING
"""
_FORGET_WAITING: Final = """
DELETE FROM waiting WHERE (case_id, source, sequence) IN
    (SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[]))
"""
_FORGET_PARKED: Final = "DELETE FROM parked WHERE case_id = ANY ($1::uuid[])"


async def load_waiting(connection: Connection, case_ids: Sequence[CaseId]) -> list[Arrival]:
    """What waits in these cases."""
    if not case_ids:
        return []
    return [_arrival(row) for row in await connection.fetch(_WAITING, case_ids)]


async def load_parked(connection: Connection, case_ids: Sequence[CaseId]) -> list[Arrival]:
    """What is parked of these cases, in the order of the log."""
    if not case_ids:
        return []
    return [_arrival(row) for row in await connection.fetch(_PARKED, case_ids)]


async def keep_waiting(
    connection: Connection, files: Iterable[CaseFile], before: Sequence[Arrival]
) -> None:
    """Bring the table from what waited `before` to what the files say."""
    now = {
        (file.case_id, source.value, sequence): (arrival, file.office)
        for file in files
        for (source, sequence), arrival in file.waiting.items()
    }
    known = {
        (each.case_id, each.place.source.value, each.place.sequence)
        for each in before
        if each.place is not None
    }
    gone = sorted(known - now.keys())
    if gone:
        await connection.execute(_FORGET_WAITING, *zip(*gone, strict=True))
    rows = [
        (*key, arrival.place.event_id, office, *_columns(arrival.raw))
        for key, (arrival, office) in sorted(now.items())
        if key not in known and arrival.place is not None
    ]
    if rows:
        await connection.execute(_KEEP_WAITING, *zip(*rows, strict=True))


async def keep_parked(
    connection: Connection, files: Sequence[CaseFile], loaded: Iterable[CaseId]
) -> None:
    """Append what was parked now; cases whose queue was loaded are written anew."""
    rewritten = list(loaded)
    if rewritten:
        await connection.execute(_FORGET_PARKED, rewritten)
    rows = [
        (file.case_id, file.office, _reason(file, place), *_columns(arrival.raw))
        for file in files
        for place, arrival in enumerate(file.queue)
    ]
    if rows:
        await connection.execute(_KEEP_PARKED, *zip(*rows, strict=True))


def _reason(file: CaseFile, place: int) -> str | None:
    """Only the first record of a queue has a reason: the others stand behind it."""
    return file.parked if place == 0 and file.queue_loaded else None


def _columns(raw: LogRecord) -> tuple[object, ...]:
    return (
        raw.topic,
        raw.partition,
        raw.offset,
        logged_at(raw),
        raw.key,
        headers_text(raw.headers),
        raw.value,
    )


def _arrival(row: asyncpg.Record) -> Arrival:
    return arrival_of(
        Raw(
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            timestamp=round(row["logged_at"].timestamp() * 1000),
            key=row["key"],
            headers=headers_in(row["headers"]),
            value=row["value"],
        )
    )
