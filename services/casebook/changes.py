"""Which cases changed, numbered in the order of the commits: what the live feed tells (D15)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.casebook.admission import CaseFile
from shared.postgres.pool import Connection

KEPT: Final = 100_000
"""How many changes are remembered; who was away for more reloads."""

# One row, so batches of two replicas can never number their changes past each other.
_NUMBER: Final = "UPDATE feed SET last = last + $1 RETURNING last"
_RECORD: Final = """
INSERT INTO changes (change, case_id, office, topic, partition, "offset")
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::smallint[],
                     $6::bigint[])
"""
_FORGET: Final = "DELETE FROM changes WHERE change <= (SELECT last FROM feed) - $1"
_NOW: Final = """
SELECT generation, last, coalesce((SELECT min(change) FROM changes), last + 1) AS oldest
FROM feed
"""
_AFTER: Final = """
SELECT change, case_id, office, topic, partition, "offset" FROM changes
WHERE change > $1 AND change <= $2 ORDER BY change LIMIT $3
"""
_AFTER_IN_OFFICE: Final = """
SELECT change, case_id, office, topic, partition, "offset" FROM changes
WHERE change > $1 AND change <= $2 AND office = $4 ORDER BY change LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A case changed; the record that changed it last stands at the position."""

    number: int
    case_id: UUID
    office: str | None
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The generation of this schema, its last change, and the oldest one still remembered."""

    generation: str
    last: int
    oldest: int


async def record(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Number the cases that this batch changed; in its transaction, as its last statement."""
    rows = [
        (file.case_id, file.office, file.last.raw.topic, *file.last.position)
        for file in files
        if file.last is not None
    ]
    if not rows:
        return
    last = int(await connection.fetchval(_NUMBER, len(rows)))
    numbers = range(last - len(rows) + 1, last + 1)
    await connection.execute(_RECORD, list(numbers), *zip(*rows, strict=True))


async def forget_old(connection: Connection, kept: int = KEPT) -> None:
    """Drop the changes that nobody is expected to ask for any more."""
    await connection.execute(_FORGET, kept)


async def reach(connection: Connection) -> Reach:
    """Where the changes stand now."""
    [row] = await connection.fetch(_NOW)
    return Reach(row["generation"], row["last"], row["oldest"])


async def after(
    connection: Connection, number: int, *, to: int, most: int, office: str | None = None
) -> list[Change]:
    """The changes after one number up to another, of one office or of all."""
    if office is None:
        rows = await connection.fetch(_AFTER, number, to, most)
    else:
        rows = await connection.fetch(_AFTER_IN_OFFICE, number, to, most, office)
    return [Change(*row.values()) for row in rows]
