"""Which cases changed, numbered in the order of the commits: what the live feed tells (D15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from services.casebook import offsets
from services.casebook.admission import CaseFile
from services.casebook.bulk import NULL, copy_lines
from shared.messaging.log import Place as Partition
from shared.postgres.pool import Connection
from shared.postgres.schema import prefix

KEPT: Final = 100_000
"""How many changes are remembered; who was away for more reloads."""

# One row, so batches of two replicas can never number their changes past each other.
_NUMBER: Final = "UPDATE feed SET last = last + $1 RETURNING last"
_COLUMNS: Final = ("change", "case_id", "office", "topic", "partition", "offset")
_FORGET: Final = "DELETE FROM changes WHERE change <= (SELECT last FROM feed) - $1"
_NOW: Final = """
SELECT generation, last, coalesce((SELECT min(change) FROM {0}changes), last + 1) AS oldest
FROM {0}feed
"""
_AFTER: Final = """
SELECT change, case_id, office, topic, partition, "offset" FROM {0}changes
WHERE change > $1 AND change <= $2 ORDER BY change LIMIT $3
"""
_AFTER_IN_OFFICE: Final = """
SELECT change, case_id, office, topic, partition, "offset" FROM {0}changes
WHERE change > $1 AND change <= $2 AND office = $4 ORDER BY change LIMIT $3
"""
_HEARD: Final = """
SELECT bool_and(told_from <= coalesce(heard.next, 0)) FROM offsets
LEFT JOIN unnest($1::text[], $2::smallint[], $3::bigint[]) AS heard (topic, partition, next)
       ON heard.topic = offsets.topic AND heard.partition = offsets.partition
"""
_SINCE: Final = """
SELECT change, case_id, office, topic, partition, "offset" FROM changes
JOIN unnest($1::text[], $2::smallint[], $3::bigint[]) AS heard (topic, partition, next)
     USING (topic, partition)
WHERE "offset" >= next AND change <= $4 AND ($5::text IS NULL OR office = $5)
ORDER BY change LIMIT $6
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
    """The generation of this schema, its last change, the oldest one still remembered, and the
    offset behind the last record folded of each partition."""

    generation: str
    last: int
    oldest: int
    next: Mapping[Partition, int]


class Span(NamedTuple):
    """Changes after one number, up to another, and how many of them."""

    after: int
    to: int
    most: int


async def record(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Number the cases that this batch changed; in its transaction, as its last statement."""
    changed = [(file, file.last) for file in files if file.last is not None]
    if not changed:
        return
    last = int(await connection.fetchval(_NUMBER, len(changed)))
    lines = [
        f"{number}\t{file.case_id}\t{file.office or NULL}\t{topic}\t{partition}\t{offset}\n"
        for number, (file, (topic, partition, offset)) in enumerate(
            changed, last - len(changed) + 1
        )
    ]
    await copy_lines(connection, "changes", _COLUMNS, lines)


async def forget_old(connection: Connection, kept: int = KEPT) -> None:
    """Drop the changes that nobody is expected to ask for any more."""
    await connection.execute(_FORGET, kept)


async def reach(connection: Connection, schema: str | None = None) -> Reach:
    """Where the changes stand now; of the live tables, or in another schema."""
    [row] = await connection.fetch(_NOW.format(prefix(schema)))
    folded = await offsets.reached(connection, schema)
    return Reach(row["generation"], row["last"], row["oldest"], folded)


async def after(
    connection: Connection,
    span: Span,
    *,
    office: str | None = None,
    schema: str | None = None,
) -> list[Change]:
    """The changes after one number up to another, of one office or of all."""
    if office is None:
        rows = await connection.fetch(_AFTER.format(prefix(schema)), *span)
    else:
        rows = await connection.fetch(_AFTER_IN_OFFICE.format(prefix(schema)), *span, office)
    return [Change(*row.values()) for row in rows]


async def since(
    connection: Connection,
    heard: Mapping[Partition, int],
    *,
    to: int,
    most: int,
    office: str | None = None,
) -> list[Change] | None:
    """What has changed behind these places of the log, which other tables had been folded to.

    None: it cannot be told, since these tables were folded in bulk beyond them.
    """
    places = [(*place, following) for place, following in sorted(heard.items())]
    columns = [list(column) for column in zip(*places, strict=True)] or [[], [], []]
    if not await connection.fetchval(_HEARD, *columns):
        return None
    return [
        Change(*row.values()) for row in await connection.fetch(_SINCE, *columns, to, office, most)
    ]
