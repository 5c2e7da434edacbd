"""From the journal to the topic (D3): one leader per stage sends what stands in the outbox.

The leader is whoever holds a session advisory lock. Two leaders at once would only make
duplicates, which every reader removes. The relay never gives up: whatever fails, it throws the
producer away and starts again from the lowest row of the outbox.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.events.envelope import to_headers
from shared.identifiers import DEPARTMENT
from shared.journal.rows import Position, lock_class
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS
from shared.observability import metrics
from shared.postgres.pool import Connection, Limits, connect

_log = structlog.get_logger()

ROUND_MAX: Final = 500
_ROUND_WAIT_S: Final = 10.0
_STOP_WAIT_S: Final = 3.0
_START_WAIT_S: Final = 10.0
_POLL_S: Final = 0.5
_RECENT_MAX: Final = 5000
_NOTIFY_GAP_S: Final = 0.02
_BACK_OFF_MAX_S: Final = 3.0
_STALE_S: Final = 5.0

_LIMITS: Final = Limits(connect_s=10.0, statement_s=10.0)

_NEXT: Final = """
SELECT o.position, o.recorded_at, j.case_id, j.attributes, j.data
FROM (SELECT position, recorded_at FROM outbox ORDER BY position LIMIT $1) o
JOIN journal j USING (position) ORDER BY o.position
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
_OLDEST: Final = "SELECT recorded_at FROM outbox ORDER BY position LIMIT 1"
_PLACES: Final = 'SELECT position, partition, "offset" FROM published WHERE position = ANY($1)'
_EVICT: Final = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid::bigint = $1 AND objid::bigint = $2
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Published:
    """Where in the log an event is."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Relay:
    """See the module. `run` for as long as the service lives."""

    def __init__(self, database_url: str, schema: str, bootstrap: str) -> None:
        self._database_url = database_url
        self._schema = schema
        self._bootstrap = bootstrap
        self._wake = asyncio.Event()
        self._waiting: dict[Position, asyncio.Future[Published]] = {}
        self._recent: dict[Position, Published] = {}
        """What was published just now, for who asks a moment later."""
        self._oldest: datetime | None = None
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

    async def published(self, position: Position, wait_s: float) -> Published | None:
        """Where the event at `position` went; None when the log took longer than `wait_s`."""
        if (place := self._recent.get(position)) is not None:
            return place
        future = self._waiting.get(position)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[position] = future
            if not self._leads:
                self._stirred.set()
        try:
            async with asyncio.timeout(wait_s):
                return await asyncio.shield(future)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(position, None)

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
            except (Unavailable, KafkaError, TimeoutError, OSError) as fault:
                _log.warning("relay_starts_again", schema=self._schema, fault=type(fault).__name__)
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
                _log.warning("relay_starts_again", schema=self._schema, fault=type(fault).__name__)
            self._leads = False
            metrics.PRODUCER_RESTARTS.inc()
            await asyncio.sleep(back_off_s * (0.5 + random.random()))
            back_off_s = min(back_off_s * 2, _BACK_OFF_MAX_S)

    async def _lead(self) -> None:
        connection = await self._connect("relay")
        try:
            await self._become_leader(connection)
            producer = await self._producer()
            try:
                self._leads = True
                await self._rounds(connection, producer)
            finally:
                self._leads = False
                await _stop(producer)
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
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *self._lock):
            if self.backlog_age_s() > _STALE_S:
                # The leader is frozen or cut off: end its session, and with it its lock. Should
                # it wake up and send once more, readers skip what they have seen.
                _log.warning("relay_leader_evicted", schema=self._schema)
                await connection.execute(_EVICT, *self._lock)
            await asyncio.sleep(_POLL_S)

    async def _producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=256 * 1024,
            max_request_size=8 * 1024 * 1024,
            linger_ms=1,
            request_timeout_ms=8000,
        )
        try:
            async with asyncio.timeout(_START_WAIT_S):
                await producer.start()
        except BaseException:
            await _stop(producer)
            raise
        return producer

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
                sent = await _send_round(producer, rows)
            await connection.execute(
                _MOVE,
                [position for position, _ in sent],
                [place.partition for _, place in sent],
                [place.offset for _, place in sent],
            )
            self._tell(dict(sent))
            metrics.EVENTS_PUBLISHED.inc(len(sent))
            await connection.execute(f"NOTIFY {self._schema}_published")

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
            except (
                Unavailable,
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as fault:
                _log.warning("relay_watch_again", schema=self._schema, fault=type(fault).__name__)
                await asyncio.sleep(_POLL_S)

    async def _watch_with(self, connection: Connection) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._stirred.wait()
            self._stirred.clear()
            self._oldest = await connection.fetchval(_OLDEST)
            metrics.OUTBOX_AGE.set(self.backlog_age_s())
            if not self._leads:
                if self._recorded:
                    self._recorded = False
                    await connection.execute(f"NOTIFY {self._schema}_outbox")
                if self._waiting:
                    await self._look_up(connection)
            await asyncio.sleep(_NOTIFY_GAP_S)

    async def _look_up(self, connection: Connection) -> None:
        rows = await connection.fetch(_PLACES, list(self._waiting))
        self._tell(
            {
                Position(row["position"]): Published(CASE_EVENTS, row["partition"], row["offset"])
                for row in rows
            }
        )

    def _tell(self, places: dict[Position, Published]) -> None:
        self._recent.update(places)
        for stale in list(self._recent)[: max(0, len(self._recent) - _RECENT_MAX)]:
            del self._recent[stale]
        for position, place in places.items():
            future = self._waiting.get(position)
            if future is not None and not future.done():
                future.set_result(place)

    def _woken(self, *_: object) -> None:
        self._wake.set()

    def _heard(self, *_: object) -> None:
        if self._waiting and not self._leads:
            self._stirred.set()


async def _send_round(
    producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]
) -> list[tuple[Position, Published]]:
    """One round of pipelined sends: all or an exception.

    Raises KafkaError or TimeoutError when any record was not acknowledged in time.
    """
    async with asyncio.timeout(_ROUND_WAIT_S):
        acks = []
        for row in rows:
            case_id = row["case_id"]
            acks.append(
                await producer.send(
                    DEPARTMENT_EVENTS if case_id == DEPARTMENT else CASE_EVENTS,
                    row["data"].encode(),
                    key=str(case_id).encode(),
                    headers=to_headers(json.loads(row["attributes"])),
                )
            )
        places = await asyncio.gather(*acks)
    if any(place.offset < 0 for place in places):
        raise Unavailable("the broker acknowledged without telling the offset")
    return [
        (Position(row["position"]), Published(place.topic, place.partition, place.offset))
        for row, place in zip(rows, places, strict=True)
    ]


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop, but never wait long: with the broker gone `stop` may not return at all."""
    try:
        async with asyncio.timeout(_STOP_WAIT_S):
            await producer.stop()
    except (TimeoutError, KafkaError) as fault:
        _log.warning("producer_left_behind", fault=type(fault).__name__)
