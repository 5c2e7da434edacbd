"""What is known of requests before they are decided: repeats, claims, and where answers stand."""

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from shared.identifiers import CaseId, Source
from shared.journal.rows import Position, lock_class
from shared.postgres.pool import Connection

_BUCKETS: Final = 128

_TAKE_TURNS: Final = """
SELECT pg_advisory_xact_lock($1, bucket) FROM unnest($2::int[]) AS bucket
"""
_REPEATS: Final = """
SELECT r.key, r.request, r.case_id, r.sequence, j.position, p.partition, p."offset"
FROM requests r JOIN journal j USING (case_id, sequence) LEFT JOIN published p USING (position)
WHERE r.key = ANY($1)
"""
_CLAIMED: Final = "SELECT claim, case_id FROM cases WHERE claim = ANY($1)"
_PLACES: Final = """
SELECT case_id, sequence, j.position, p.partition, p."offset"
FROM unnest($1::uuid[], $2::int[]) AS wanted (case_id, sequence)
JOIN journal j USING (case_id, sequence) LEFT JOIN published p USING (position)
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered with events: by which body, and where the first of them is."""

    request: str
    case_id: CaseId
    sequence: int
    position: Position
    place: str | None
    """`partition:offset`; None while it is not published."""


def key_of(idempotency_key: str | None) -> str:
    """The half of an idempotency key that finds the repeat; empty where there is none."""
    return (idempotency_key or "").partition(":")[0]


async def take_turns(connection: Connection, source: Source, names: Collection[str]) -> None:
    """Until the end of the transaction nobody else works under one of these keys and claims."""
    if names:
        buckets = sorted({zlib.crc32(name.encode()) % _BUCKETS for name in names})
        await connection.execute(_TAKE_TURNS, lock_class(f"desk {source}"), buckets)


async def answered_before(connection: Connection, keys: Collection[str]) -> dict[str, Answered]:
    """By key, the requests that were answered with events."""
    if not keys:
        return {}
    return {
        row["key"]: Answered(
            request=row["request"],
            case_id=row["case_id"],
            sequence=row["sequence"],
            position=Position(row["position"]),
            place=_place(row["partition"], row["offset"]),
        )
        for row in await connection.fetch(_REPEATS, sorted(keys))
    }


async def taken_claims(connection: Connection, claims: Sequence[str | None]) -> dict[str, CaseId]:
    """Which of these claims an open case holds, and which case."""
    wanted = [claim for claim in claims if claim is not None]
    if not wanted:
        return {}
    return {row["claim"]: row["case_id"] for row in await connection.fetch(_CLAIMED, wanted)}


async def places_of(
    connection: Connection, events: Collection[tuple[CaseId, int]]
) -> dict[tuple[CaseId, int], tuple[Position, str | None]]:
    """By (case, sequence), where an own event stands in the journal and in the log."""
    if not events:
        return {}
    rows = await connection.fetch(
        _PLACES, [case_id for case_id, _ in events], [sequence for _, sequence in events]
    )
    return {
        (row["case_id"], row["sequence"]): (
            Position(row["position"]),
            _place(row["partition"], row["offset"]),
        )
        for row in rows
    }


def _place(partition: int | None, offset: int | None) -> str | None:
    return None if partition is None else f"{partition}:{offset}"
