"""Before a stage is ready (D18): read back from the log the facts of its own that it lacks.

A database restored from a backup would otherwise give out sequences that are already published;
an empty one is filled from the log alone. Foreign facts are then read as always, from the stored
offsets; the stage's own half is complete by then, so no reaction is repeated.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog
from aiokafka import ConsumerRecord

from shared.errors import Conflict, Unavailable
from shared.events.envelope import Fact, from_headers
from shared.journal.rows import lock_cases, lock_class
from shared.journal.surroundings import Stage
from shared.journal.work import Work
from shared.messaging.log import Log, Place, open_log
from shared.messaging.reading import Verdict, judge
from shared.messaging.records import UNKNOWN_TYPE, Incoming, incoming
from shared.messaging.topics import TOPICS, partitions_of
from shared.postgres.faults import reachable
from shared.postgres.pool import Connection

_log = structlog.get_logger()

_BATCH: Final = 2000
_NAMES: Final = tuple(topic.name for topic in TOPICS)

_SET_UP: Final = """
INSERT INTO offsets (topic, partition, next) SELECT $1, partition, 0
FROM unnest($2::smallint[]) AS partition ON CONFLICT DO NOTHING
"""
_OFFSETS: Final = "SELECT topic, partition, next, last_event_id FROM offsets"
# Of an event that was sent again the last copy is the one that was acknowledged, and answered with.
_PUBLISHED: Final = """
WITH told AS (
    SELECT DISTINCT ON (j.position) j.position, p.partition, p."offset"
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::smallint[], $5::bigint[])
         AS p (case_id, sequence, event_id, partition, "offset")
    JOIN journal j USING (case_id, sequence, event_id)
    ORDER BY j.position, p."offset" DESC
), sent AS (
    DELETE FROM outbox WHERE position IN (SELECT position FROM told)
)
INSERT INTO published (position, partition, "offset") SELECT * FROM told
ON CONFLICT (position) DO UPDATE SET "offset" = excluded."offset"
WHERE published."offset" < excluded."offset"
"""
_DONE_ERRANDS: Final = "DELETE FROM errands WHERE event_id = ANY($1::uuid[])"
"""The outcome of an errand is told with the errand's event as its cause."""
_LACKING: Final = """
SELECT id FROM unnest($1::uuid[]) AS id
WHERE NOT EXISTS (SELECT FROM journal WHERE event_id = id) LIMIT 1
"""
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock($1, $2)"


class AnotherLog(Exception):
    """The log is not the log this database has read: older, shorter, or another one (D5)."""


async def restore(stage: Stage, bootstrap: str) -> int:
    """Read back own facts from the stored offsets to the end of the log; how many were missing.

    Raises:
        AnotherLog: the record before a stored offset is not the one remembered, or a newer build
            of this stage has told what this one cannot read.
        Unavailable: database or broker cannot be reached.
    """
    with reachable("the journal"):
        for topic in TOPICS:
            await stage.pool.execute(_SET_UP, topic.name, list(partitions_of(topic.name)))
        rows = await stage.pool.fetch(_OFFSETS)
    offsets = {(row["topic"], row["partition"]): row["next"] for row in rows}
    last = {(row["topic"], row["partition"]): row["last_event_id"] for row in rows}
    async with open_log(bootstrap, _NAMES, offsets) as log:
        await check_log(log, offsets, last)
        log.seek(offsets)
        ends = await log.ends()
        restored = 0
        async for records in log.read_to(ends, _BATCH):
            restored += await _take_own(stage, records)
    if restored:
        _log.warning("own_facts_restored", stage=stage.source.value, events=restored)
    return restored


async def check_log(
    log: Log, offsets: Mapping[Place, int], last: Mapping[Place, UUID | None]
) -> None:
    """That the record before each offset is the one remembered.

    Raises AnotherLog with the place; Unavailable when the log cannot be read.
    """
    ends = await log.ends()
    for place, following in offsets.items():
        if following > ends.get(place, 0):
            raise AnotherLog(
                f"{place[0]} {place[1]}: read up to {following}, but the log ends at "
                f"{ends.get(place, 0)}; it is older than this database (qyzmet log repair)"
            )
    wanted = {place: following - 1 for place, following in offsets.items() if following > 0}
    log.seek({**ends, **wanted})
    missing = dict(wanted)
    idle = 0
    while missing:
        records = await log.poll(200, len(wanted) * 50)
        idle = 0 if records else idle + 1
        if idle > _BATCH // 20:
            raise Unavailable("the last records read before cannot be read again")
        for record in records:
            place = (record.topic, record.partition)
            if missing.get(place) != record.offset:
                continue
            del missing[place]
            remembered = last[place]
            if remembered is not None and dict(record.headers).get("ce_id") != _text(remembered):
                raise AnotherLog(
                    f"{place[0]} {place[1]}: the record at {record.offset} is not the one read "
                    "before; this is another log (qyzmet log repair)"
                )


async def _take_own(stage: Stage, records: Sequence[ConsumerRecord]) -> int:
    """Take in one batch: own facts that the journal lacks, and where all own facts stand."""
    read = [
        record
        for record in map(incoming, records)
        if record.envelope is not None and record.envelope.source is stage.source
    ]
    await _refuse_newer(stage, read)
    own = [(record, record.fact) for record in read if record.fact is not None]
    if not own:
        return 0
    try:
        with reachable("the journal"):
            async with stage.pool.acquire() as connection, connection.transaction():
                # Another replica may be restoring the same, and blank rows cannot be locked.
                await connection.execute(_ONE_AT_A_TIME, lock_class("restore"), _schema_of(stage))
                return await _restore(connection, stage, own)
    except Conflict:
        raise Unavailable("another replica works on cases that are being restored") from None


async def _refuse_newer(stage: Stage, own: Sequence[Incoming]) -> None:
    """Without an own fact that a newer build told, its place in the case would be told twice.

    Raises AnotherLog with the place and the type.
    """
    strange = {
        record.envelope.event_id: record
        for record in own
        if record.envelope is not None and (record.fault or "").startswith(UNKNOWN_TYPE)
    }
    if not strange:
        return
    with reachable("the journal"):
        lacking = await stage.pool.fetchval(_LACKING, list(strange))
    if lacking is not None:
        record = strange[lacking]
        raise AnotherLog(
            f"{record.topic} {record.partition}: the record at {record.offset} was told by a newer "
            f"build of this stage ({record.fault}); start the newer build"
        )


async def _restore(
    connection: Connection, stage: Stage, own: Sequence[tuple[Incoming, Fact]]
) -> int:
    known = await stage.known(connection)
    case_ids = {record.case_id for record, _ in own}
    cases = await lock_cases(connection, case_ids, stage.decider)
    work = Work(stage.source, known, cases)
    lacking = []
    for record, fact in own:
        row, envelope = cases[record.case_id], fact.envelope
        verdict = judge(row.seen, envelope.source, envelope.sequence, envelope.event_id)
        if verdict is Verdict.APPLY:
            work.restore(row, fact, from_headers(record.headers), record.data)
            lacking.append(envelope.causation_id)
    await work.write(connection)
    await connection.execute(_DONE_ERRANDS, [cause for cause in lacking if cause is not None])
    await connection.execute(
        _PUBLISHED,
        [record.case_id for record, _ in own],
        [fact.envelope.sequence for _, fact in own],
        [fact.envelope.event_id for _, fact in own],
        [record.partition for record, _ in own],
        [record.offset for record, _ in own],
    )
    return len(lacking)


def _text(event_id: UUID) -> bytes:
    return str(event_id).encode()


def _schema_of(stage: Stage) -> int:
    return lock_class(stage.source.value)
