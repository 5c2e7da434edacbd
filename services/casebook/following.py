"""One replica folds the log; the others stand by and take over when it is gone (D15).

Who holds the advisory lock reads on from the tables' offsets. A replica that lost the lock
without noticing is stopped by the offsets themselves: they move only from where it found them.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from services.casebook import changes, folding, offsets, rebuilding
from services.casebook.arrivals import Arrival, arrivals_of, logged_at
from services.casebook.rebuilding import CannotRebuild, Site, closed
from services.casebook.schemas import CHANNEL, MIGRATIONS, Schemas, exists
from shared.clock import now
from shared.errors import Conflict, Unavailable
from shared.identifiers import CaseId
from shared.messaging.log import Log, open_log
from shared.messaging.log import Place as Partition
from shared.messaging.pace import rest_s
from shared.messaging.topics import TOPICS
from shared.observability import metrics
from shared.postgres.faults import reachable
from shared.postgres.migrations import migrate
from shared.postgres.pool import Connection, Pool, connect

_log = structlog.get_logger()

BATCH_MAX: Final = 2_000

_LOCK: Final = 0x71797A66
"""The first half of the lock's key ("qyzf"); the second is the hash of the schema's name."""
_TRY_S: Final = 1.0
_POLL_MS: Final = 200
_LOOK_S: Final = 1.0
"""How often the end of the log is looked at: how fresh an answer can say it is."""
_BACK_OFF_S_MAX: Final = 10.0
_HALTED_S: Final = 30.0
_STUCK_S: Final = 180.0
_RETRIED_AT_ONCE: Final = 100
_PARKED_WINDOW: Final = timedelta(seconds=60)


class TooManyParked(Exception):
    """So many cases were parked in a short time that not they are wrong but this build."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the log is and where it is folded to."""

    bootstrap: str
    database_url: str
    schema: str
    replica: str
    parked_max: int


class Follower:
    """See the module. `run` for as long as the process lives."""

    def __init__(self, pool: Pool, source: Source) -> None:
        self._pool = pool
        self._source = source
        self._parked: deque[tuple[datetime, int]] = deque()
        self._touched = time.monotonic()
        self.halted: str | None = None
        """Why nothing is folded although this replica could; needs an operator."""
        self.leads = False
        self._worked = False

    @property
    def bootstrap(self) -> str:
        """Where the log is."""
        return self._source.bootstrap

    def is_stuck(self) -> bool:
        """No sign of life for longer than everything here may take."""
        return time.monotonic() - self._touched > _STUCK_S

    async def run(self) -> None:
        """Fold whenever it is this replica's turn; ends only by cancellation."""
        back_off_s = 0.2
        while True:
            self._touched = time.monotonic()
            try:
                async with self._leadership() as lock:
                    await self._lead(lock)
            except (offsets.ForeignLog, TooManyParked) as fault:
                self.halted = str(fault)
                _log.error("folding_halted", why=self.halted)
                await asyncio.sleep(_HALTED_S)
                continue
            except Conflict:
                _log.warning("folding_overtaken")
            except Unavailable as fault:
                _log.warning("folding_waits", what=fault.what)
            except CannotRebuild as fault:
                _log.warning("folding_waits", what=str(fault))
            except asyncpg.UndefinedTableError:
                # Dropped under us: the next attempt sees what is there.
                _log.warning("tables_lost")
            except Exception:  # noqa: BLE001 -- the next attempt starts from what is committed
                _log.exception("folding_starts_again")
            back_off_s = 0.2 if self._has_worked() else min(back_off_s * 2, _BACK_OFF_S_MAX)
            await asyncio.sleep(back_off_s)

    def _has_worked(self) -> bool:
        worked, self._worked = self._worked, False
        return worked

    @asynccontextmanager
    async def _leadership(self) -> AsyncIterator[Connection]:
        """Wait until this replica is the one that folds; the lock ends with its connection."""
        source = self._source
        connection = await connect(
            source.database_url,
            schema=source.schema,
            application_name=f"casebook-{source.replica}-fold",
        )
        try:
            with reachable("the lock of the folding replica"):
                while not await connection.fetchval(
                    "SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCK, source.schema
                ):
                    self._touched = time.monotonic()
                    await asyncio.sleep(_TRY_S)
            self.leads = True
            yield connection
        finally:
            self.leads = False
            await closed(connection)

    async def _lead(self, lock: Connection) -> None:
        """Fold until something fails."""
        source = self._source
        with reachable("the read side"):
            if not await exists(lock, source.schema):
                _log.warning("folding_anew", schema=source.schema)
                await rebuilding.renew(self._site(), "there were no tables", self._touch)
            await migrate(lock, MIGRATIONS, source.schema)
            async with self._pool.acquire() as connection:
                folded = await offsets.load(connection)
        async with open_log(source.bootstrap, [topic.name for topic in TOPICS]) as log:
            await offsets.know_again(log, folded)
            self.halted = None
            await self._retry_parked()
            _log.info("folding", replica=source.replica)
            await self._follow(log, lock, {at: each.next for at, each in folded.items()})

    def _site(self) -> Site:
        source = self._source
        name = f"casebook-{source.replica}-anew"
        return Site(source.bootstrap, source.database_url, Schemas(source.schema), name)

    def _touch(self) -> None:
        self._touched = time.monotonic()

    async def _follow(self, log: Log, lock: Connection, reached: dict[Partition, int]) -> None:
        looked = 0.0
        while True:
            self._touched = time.monotonic()
            if lock.is_closed():
                raise Unavailable("the lock of the folding replica")
            if self._touched - looked > _LOOK_S:
                looked = self._touched
                await self._look(log, reached)
            arrivals = await log.poll_as(_POLL_MS, BATCH_MAX, arrivals_of)
            if not arrivals:
                continue
            began = time.monotonic()
            await self._fold(arrivals)
            for arrival in arrivals:
                reached[arrival.raw.topic, arrival.raw.partition] = arrival.raw.offset + 1
            self._worked = True
            took_s = time.monotonic() - began
            await asyncio.sleep(rest_s(len(arrivals), BATCH_MAX, took_s))

    async def _look(self, log: Log, reached: dict[Partition, int]) -> None:
        """Note where the log ends; what was folded up to there is as fresh as this moment."""
        at = now()
        ends = await log.ends()
        offsets.check_ends({place: offsets.Folded(to) for place, to in reached.items()}, ends)
        with reachable("the read side"):
            async with self._pool.acquire() as connection:
                await offsets.see_ends(connection, ends, at)
                await changes.forget_old(connection)

    async def _fold(self, arrivals: Sequence[Arrival]) -> None:
        began = time.perf_counter()
        with reachable("the read side"):
            async with self._pool.acquire() as connection:
                parked = await folding.fold(connection, arrivals)
                await connection.execute(
                    "SELECT pg_notify($1, '')", f"{CHANNEL}_{self._source.schema}"
                )
        metrics.BATCH_SIZE.observe(len(arrivals))
        metrics.BATCH_SECONDS.observe(time.perf_counter() - began)
        oldest = min(logged_at(arrival.raw) for arrival in arrivals)
        metrics.READ_LAG.observe(max(0.0, (now() - oldest).total_seconds()))
        if parked:
            self._count_parked(logged_at(arrivals[-1].raw), parked)

    def _count_parked(self, at: datetime, count: int) -> None:
        """By the log's own time, so that a rebuild does not add up the faults of years."""
        self._parked.append((at, count))
        while self._parked[0][0] < at - _PARKED_WINDOW:
            self._parked.popleft()
        total = sum(each for _, each in self._parked)
        if total > self._source.parked_max:
            self._parked.clear()
            raise TooManyParked(
                f"{total} cases were parked within {_PARKED_WINDOW.seconds} s: is this build"
                " older than the log? Folding goes on after a pause or a restart"
            )

    async def _retry_parked(self) -> None:
        after: CaseId | None = None
        while True:
            self._touched = time.monotonic()
            with reachable("the read side"):
                async with self._pool.acquire() as connection:
                    after = await folding.retry_parked(connection, after, _RETRIED_AT_ONCE)
            if after is None:
                return
