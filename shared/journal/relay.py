"""From the journal to the topic (D3): one leader per stage sends what stands in the outbox.

The leader is whoever holds a session advisory lock. Two leaders at once would only make
duplicates, which every reader removes. The relay never gives up: whatever fails, it throws the
producer away and starts again from the lowest row of the outbox.
"""

import asyncio
import random
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.journal.publication import Publications, Published
from shared.journal.rows import Position, lock_class
from shared.journal.sending import send_round, start_producer, stop_producer
from shared.messaging.topics import CASE_EVENTS
from shared.observability import metrics
from shared.postgres.faults import TRANSIENT
from shared.postgres.pool import Connection, Limits, connect

_log = structlog.get_logger()

ROUND_MAX: Final = 1000
_SENT_MAX: Final = 20_000
_ROUND_WAIT_S: Final = 10.0
_START_WAIT_S: Final = 10.0
_POLL_S: Final = 0.5
_NOTIFY_GAP_S: Final = 0.02
_BACK_OFF_MAX_S: Final = 3.0
_STALE_S: Final = 5.0

_PASSING: Final = (
    Unavailable,
    KafkaError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    *TRANSIENT,
)
"""Whatever of the broker's or the database's: start again, with new connections."""

_LIMITS: Final = Limits(connect_s=10.0, statement_s=10.0, whole_tables=False)

# No join: until Postgres has counted the journal's rows it would read all of them for one.
_NEXT: Final = """
SELECT position, case_id, event_id, attributes, data FROM journal
WHERE position = ANY (ARRAY(SELECT position FROM outbox ORDER BY position LIMIT $1))
ORDER BY position
"""
_MOVE: Final = """
WITH sent AS (
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[])
           AS sent (position, partition, "offset")
), gone AS (
    DELETE FROM outbox WHERE position = ANY($1::bigint[])
)
INSERT INTO published (position, partition, "offset")
SELECT * FROM sent ON CONFLICT (position) DO NOTHING
"""
_OLDEST: Final = "SELECT position, recorded_at FROM outbox ORDER BY position LIMIT 1"
_PLACES: Final = 'SELECT position, partition, "offset" FROM published WHERE position = ANY($1)'
_EVICT: Final = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid::bigint = $1 AND objid::bigint = $2
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pid <> pg_backend_pid()
"""


class Relay:
    """See the module. `run` for as long as the service lives."""

    def __init__(self, database_url: str, schema: str, bootstrap: str) -> None:
        self._database_url = database_url
        self._schema = schema
        self._bootstrap = bootstrap
        self._wake = asyncio.Event()
        self._publications = Publications()
        self._lowest: int | None = None
        self._oldest: datetime | None = None
        """Position and time of the lowest row of the outbox, as last seen."""
        self._moved_at = time.monotonic()
        """When the outbox was last seen to be empty or to have another lowest row."""
        self._sent: dict[bytes, bool] = {}
        """The last events that this process sent and nobody has read back, the oldest first."""
        self._leads = False
        self._recorded = False
        """Something of ours waits for a leader elsewhere."""
        self._stirred = asyncio.Event()
        """The watch has something to do before its next look."""
        self._lock = (lock_class("relay"), lock_class(schema))

    @property
    def leads(self) -> bool:
        """Whether this replica is the one that sends."""
        return self._leads

    def backlog_age_s(self) -> float:
        """How long the oldest row has been waiting for publication, as last seen."""
        if self._oldest is None:
            return 0.0
        return max(0.0, (datetime.now(UTC) - self._oldest).total_seconds())

    def wake(self) -> None:
        """Something was recorded."""
        self._wake.set()
        if not self._leads:
            self._recorded = True
            self._stirred.set()

    def knows_again(self, claimed_id: bytes) -> bool:
        """Whether this process itself put the event of this id into the log; says so once.

        Who reads the event back for the first time need not look at its case, which has applied
        it long since. Who reads it again does look: the database may be an older one by then.
        """
        return self._sent.pop(claimed_id, False)

    def has_sent(self, claimed_id: bytes | None) -> bool:
        """The same asked before, as a guess: `knows_again` decides."""
        return claimed_id in self._sent

    async def published(
        self, positions: Collection[Position], wait_s: float
    ) -> dict[Position, Published]:
        """Where the events at `positions` went; without those the log took longer for."""
        return await self._publications.of(positions, wait_s)

    async def run(self) -> None:
        """Send for ever; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._send_for_ever())

    # --- the sending side ---------------------------------------------------------------

    async def _send_for_ever(self) -> None:
        back_off_s = 0.1
        while True:
            try:
                await self._lead()
                back_off_s = 0.1
            except _PASSING as fault:
                _log.warning("relay_starts_again", schema=self._schema, fault=type(fault).__name__)
            self._leads = False
            metrics.PRODUCER_RESTARTS.inc()
            await asyncio.sleep(back_off_s * (0.5 + random.random()))
            back_off_s = min(back_off_s * 2, _BACK_OFF_MAX_S)

    async def _lead(self) -> None:
        connection = await self._connect("relay")
        try:
            await self._become_leader(connection)
            producer = await start_producer(self._bootstrap)
            try:
                self._leads = True
                await self._rounds(connection, producer)
            finally:
                self._leads = False
                self._sent.clear()
                # Whoever comes next need not wait until this producer has stopped: what it still
                # sends they send too, and readers know repeats.
                connection.terminate()
                await stop_producer(producer)
        finally:
            connection.terminate()

    async def _connect(self, name: str) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of its own: session locks and listening need one that nobody shares."""
        return await connect(
            self._database_url,
            schema=self._schema,
            application_name=f"{self._schema}-{name}",
            limits=_LIMITS,
        )

    async def _become_leader(self, connection: Connection) -> None:
        since = time.monotonic()
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *self._lock):
            stuck_s = time.monotonic() - max(since, self._moved_at)
            if self._lowest is not None and stuck_s > _STALE_S:
                # The leader is frozen or cut off: nothing moves at all. End its session, and with
                # it its lock. Should it wake up and send once more, readers skip what they have
                # seen. Each leader gets this long: two that evict each other send nothing.
                _log.warning("relay_leader_evicted", schema=self._schema)
                await connection.execute(_EVICT, *self._lock)
                since = time.monotonic()
            await asyncio.sleep(_POLL_S)

    async def _rounds(self, connection: Connection, producer: AIOKafkaProducer) -> None:
        while True:
            self._wake.clear()
            rows = await connection.fetch(_NEXT, ROUND_MAX)
            if not rows:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._wake.wait()
                continue
            with metrics.PUBLISH_SECONDS.time():
                sent = await send_round(producer, rows)
            await connection.execute(
                _MOVE,
                [position for position, _ in sent],
                [place.partition for _, place in sent],
                [place.offset for _, place in sent],
            )
            self._publications.tell(dict(sent))
            self._remember(rows)
            metrics.EVENTS_PUBLISHED.inc(len(sent))
            await connection.execute(f"NOTIFY {self._schema}_published")

    def _remember(self, rows: Sequence[asyncpg.Record]) -> None:
        for row in rows:
            self._sent[str(row["event_id"]).encode()] = True
        while len(self._sent) > _SENT_MAX:
            del self._sent[next(iter(self._sent))]

    # --- the waiting side ---------------------------------------------------------------

    async def _watch(self) -> None:
        """Keep the age of the backlog, pass wake-ups on, and answer who waits elsewhere."""
        while True:
            try:
                connection = await self._connect("relay-watch")
                try:
                    await connection.add_listener(f"{self._schema}_outbox", self._woken)
                    await connection.add_listener(f"{self._schema}_published", self._heard)
                    await self._watch_with(connection)
                finally:
                    connection.terminate()
            except _PASSING as fault:
                _log.warning("relay_watch_again", schema=self._schema, fault=type(fault).__name__)
                await asyncio.sleep(_POLL_S)

    async def _watch_with(self, connection: Connection) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._stirred.wait()
            self._stirred.clear()
            self._note_oldest(await connection.fetchrow(_OLDEST))
            if self._recorded and not self._leads:
                self._recorded = False
                await connection.execute(f"NOTIFY {self._schema}_outbox")
            # The leader looks, too: what somebody waits for may have been sent by the one before.
            if awaited := self._publications.awaited:
                await self._look_up(connection, awaited)
            await asyncio.sleep(_NOTIFY_GAP_S)

    def _note_oldest(self, row: asyncpg.Record | None) -> None:
        lowest = None if row is None else row["position"]
        if lowest is None or lowest != self._lowest:
            self._moved_at = time.monotonic()
        self._lowest = lowest
        self._oldest = None if row is None else row["recorded_at"]
        metrics.OUTBOX_AGE.set(self.backlog_age_s())

    async def _look_up(self, connection: Connection, awaited: list[Position]) -> None:
        rows = await connection.fetch(_PLACES, awaited)
        self._publications.tell(
            {
                Position(row["position"]): Published(CASE_EVENTS, row["partition"], row["offset"])
                for row in rows
            }
        )

    def _woken(self, *_: object) -> None:
        self._wake.set()

    def _heard(self, *_: object) -> None:
        if self._publications.awaited and not self._leads:
            self._stirred.set()
