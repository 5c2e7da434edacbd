"""How far the log is folded, and the last record by which the log is known again (D5, D18)."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from services.casebook.arrivals import Arrival, Place, arrival_of, logged_at
from shared.errors import Conflict, Unavailable
from shared.identifiers import EventId, Source
from shared.messaging.log import Log
from shared.messaging.log import Place as Partition
from shared.messaging.topics import TOPICS, partitions_of
from shared.postgres.pool import Connection
from shared.postgres.schema import prefix

_KNOW_AGAIN_WAIT_S: Final = 20.0

_PREPARE: Final = """
INSERT INTO offsets (topic, partition) SELECT * FROM unnest($1::text[], $2::smallint[])
ON CONFLICT DO NOTHING
"""
_LOAD: Final = """
SELECT topic, partition, next, last_source, last_case, last_sequence, last_event_id
FROM offsets
"""
_MOVE: Final = """
UPDATE offsets SET next = moved.next, last_source = moved.source, last_case = moved.case_id,
    last_sequence = moved.sequence, last_event_id = moved.event_id,
    last_logged_at = moved.logged_at
FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::uuid[],
            $7::int[], $8::uuid[], $9::timestamptz[])
    AS moved (topic, partition, expected, next, source, case_id, sequence, event_id, logged_at)
WHERE offsets.topic = moved.topic AND offsets.partition = moved.partition
  AND offsets.next = moved.expected
"""
_SEE: Final = """
UPDATE offsets SET log_end = seen.log_end, seen_at = $4
FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS seen (topic, partition, log_end)
WHERE offsets.topic = seen.topic AND offsets.partition = seen.partition
"""
_REACHED: Final = "SELECT topic, partition, next FROM {}offsets"
_TELL_FROM: Final = """
UPDATE offsets SET told_from = offsets.next
FROM unnest($1::text[], $2::smallint[]) AS mine (topic, partition)
WHERE offsets.topic = mine.topic AND offsets.partition = mine.partition
"""


class ForeignLog(Exception):
    """The log is not the one that was folded: it is older than this schema, or another one."""


@dataclass(frozen=True, slots=True)
class Folded:
    """How far one partition is folded. `last` is None when that record has no readable place."""

    next: int = 0
    last_case: UUID | None = None
    last: Place | None = None


async def load(connection: Connection) -> dict[Partition, Folded]:
    """How far every partition is folded; a partition not read so far stands at 0."""
    places = [(topic.name, part) for topic in TOPICS for part in partitions_of(topic.name)]
    await connection.execute(_PREPARE, [name for name, _ in places], [part for _, part in places])
    found = {}
    for row in await connection.fetch(_LOAD):
        last = None
        if row["last_event_id"] is not None:
            source = Source(row["last_source"])
            last = Place(source, row["last_sequence"], EventId(row["last_event_id"]))
        at = (row["topic"], row["partition"])
        found[at] = Folded(row["next"], row["last_case"], last)
    return found


async def reached(connection: Connection, schema: str | None = None) -> dict[Partition, int]:
    """The offset behind the last record folded of each partition; in the live tables, or in another
    schema."""
    rows = await connection.fetch(_REACHED.format(prefix(schema)))
    return {(row["topic"], row["partition"]): row["next"] for row in rows}


@dataclass(slots=True)
class Passed:
    """Of records that were passed, the first and the last of each partition."""

    first: dict[Partition, Arrival] = field(default_factory=dict)
    last: dict[Partition, Arrival] = field(default_factory=dict)

    def by(self, arrivals: Iterable[Arrival]) -> "Passed":
        """By these too."""
        first, last = self.first, self.last
        for arrival in arrivals:
            at = (arrival.raw.topic, arrival.raw.partition)
            if at not in first:
                first[at] = arrival
            last[at] = arrival
        return self

    @property
    def reached(self) -> dict[Partition, int]:
        """The offset behind the last of each partition."""
        return {at: arrival.raw.offset + 1 for at, arrival in self.last.items()}


async def move(connection: Connection, passed: Passed) -> None:
    """Stand behind these records, if nobody else has moved meanwhile.

    Raises:
        Conflict: another replica folded them, or something is missing between: read again.
    """
    rows = [
        (
            *at,
            passed.first[at].raw.offset,
            arrival.raw.offset + 1,
            arrival.place.source.value if arrival.place is not None else None,
            arrival.case_id,
            arrival.place.sequence if arrival.place is not None else None,
            arrival.place.event_id if arrival.place is not None else None,
            logged_at(arrival.raw),
        )
        for at, arrival in sorted(passed.last.items())
    ]
    done = await connection.execute(_MOVE, *zip(*rows, strict=True))
    if done != f"UPDATE {len(rows)}":
        raise Conflict("the offsets have been moved by another replica")


async def tell_from_here(connection: Connection, places: Iterable[Partition]) -> None:
    """Note that changes of these partitions are told only from where they are folded to now."""
    rows = sorted(places)
    await connection.execute(_TELL_FROM, *zip(*rows, strict=True))


async def see_ends(connection: Connection, ends: Mapping[Partition, int], at: datetime) -> None:
    """Note where the log ended at an instant: what is folded up to there is as fresh as that."""
    rows = [(topic, partition, end) for (topic, partition), end in sorted(ends.items())]
    await connection.execute(_SEE, *zip(*rows, strict=True), at)


def check_ends(folded: Mapping[Partition, Folded], ends: Mapping[Partition, int]) -> None:
    """Raises ForeignLog when the log ends before what was folded from it."""
    for at, end in sorted(ends.items()):
        if end < folded.get(at, Folded()).next:
            raise ForeignLog(
                f"{at[0]} {at[1]} ends at {end}, and {folded[at].next} records of it are folded:"
                " the log is older than this schema. Repair the log (qyzmet log repair), or drop"
                " casebook's schema and let it fold the log it has"
            )


async def know_again(log: Log, folded: Mapping[Partition, Folded]) -> None:
    """Check that the record before each offset is the one remembered, and stand at the offsets.

    Raises:
        ForeignLog: it is not; nothing may be folded on top.
        Unavailable: the log does not answer.
    """
    ends, starts = await log.ends(), await log.starts()
    check_ends(folded, ends)
    for at, start in starts.items():
        if start > folded.get(at, Folded()).next:
            raise ForeignLog(f"{at[0]} {at[1]} begins at {start}: records of it were deleted")
    wanted = {at: each.next - 1 for at, each in folded.items() if each.next > starts.get(at, 0)}
    log.seek({**ends, **wanted})
    try:
        async with asyncio.timeout(_KNOW_AGAIN_WAIT_S):
            while wanted:
                for record in await log.poll(200, 100):
                    at = (record.topic, record.partition)
                    if wanted.get(at) == record.offset:
                        _compare(arrival_of(record), folded[at])
                        del wanted[at]
    except TimeoutError:
        raise Unavailable("the log does not give the records that were folded last") from None
    log.seek({at: each.next for at, each in folded.items()})


def _compare(found: Arrival, remembered: Folded) -> None:
    if (found.place, found.case_id) != (remembered.last, remembered.last_case):
        raw = found.raw
        raise ForeignLog(
            f"{raw.topic} {raw.partition}:{raw.offset} is another record than the one that was"
            " folded: this is another log. Restore the log, or drop casebook's schema and let it"
            " fold the log it has"
        )
