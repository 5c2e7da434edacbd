"""Casebook put together."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

import structlog
from fastapi import FastAPI

from services.casebook.feed import Feed
from services.casebook.following import Follower, Source
from services.casebook.indexing import Indexer
from services.casebook.opening import Opener
from services.casebook.overview import router as overview
from services.casebook.readers import Casebook
from services.casebook.registers import router as registers
from services.casebook.routes import router
from services.casebook.schemas import MIGRATIONS, Schemas, exists
from services.casebook.searching import router as searching
from services.casebook.settings import Settings
from services.casebook.tailing import Tail
from shared.errors import Unavailable
from shared.garbage import collect_rarely
from shared.http.application import Admission, Probes, create_app
from shared.http.limits import BodyLimits
from shared.http.tokens import TokenKeys
from shared.loops import Loops, until_available
from shared.observability.logging import configure_logging
from shared.observability.tracing import configure_tracing, stop_tracing
from shared.postgres.faults import reachable
from shared.postgres.migrations import migrate
from shared.postgres.pool import Limits, Pool, open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import read_lookup_key, read_master_keys
from shared.procedures.catalogue import load_catalogue
from shared.version import VERSION

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stores:
    """The two databases: the projections, and the keys."""

    pool: Pool
    vault: Vault


class Runner:
    """Brings casebook up in the background, so that its probes answer from the first moment."""

    def __init__(self, settings: Settings) -> None:
        self.why_not = "starting"
        self._settings = settings
        self.book: Casebook | None = None
        self._follower: Follower | None = None
        self._feed: Feed | None = None
        self._stack = AsyncExitStack()
        self._loops = Loops()

    async def start(self) -> None:
        """Begin; returns at once."""
        self._close_feed_on_signals()
        self._loops.start(self._bring_up(), "bring-up")

    async def stop(self) -> None:
        """End all loops, close the pools."""
        self.close_feed()
        await self._loops.stop()
        await self._stack.aclose()

    def close_feed(self) -> None:
        """End the live streams: a server waits for them before it stops."""
        if self._feed is not None:
            self._feed.close()

    async def is_ready(self) -> None:
        """A probe: erasures applied, the log is the one we know, the database answers."""
        if self.book is None:
            raise Unavailable(self.why_not)
        if self.book.follower.halted is not None:
            raise Unavailable(self.book.follower.halted)
        with reachable("the read side"):
            await self.book.pool.fetchval("SELECT 1")

    async def is_live(self) -> None:
        """A probe: no loop has ended, and folding is not stuck."""
        self._loops.require_all()
        if self._follower is not None and self._follower.is_stuck():
            raise Unavailable("folding is stuck")

    async def _bring_up(self) -> None:
        settings, url = self._settings, self._settings.database_url.get_secret_value()
        opening = partial(open_stores, settings, self._stack)
        stores = await until_available(opening, self._wait_for)
        schema, replica = settings.schema_name, settings.replica
        source = Source(settings.kafka, url, schema, replica, settings.parked_max)
        follower = self._follower = Follower(stores.pool, source)
        tail = Tail(stores.pool, url, schema, replica)
        feed = self._feed = Feed(
            stores.pool, tail, Schemas(schema), clients_max=settings.feed_clients_max
        )
        self._loops.start(tail.run(), "tail")
        self._loops.start(follower.run(), "fold")
        opener = Opener(stores.vault)
        indexer = Indexer(stores.pool, opener, stores.vault)
        self._loops.start(indexer.run(follower), "index")
        self.why_not = "the log is not folded to its end yet"
        await until_available(partial(opener.apply_erasures, stores.pool), self._wait_for)
        self.book = Casebook(
            pool=stores.pool,
            tail=tail,
            follower=follower,
            feed=feed,
            opener=opener,
            vault=stores.vault,
            indexer=indexer,
            procedures=load_catalogue(),
            read_wait_s=settings.read_wait_s,
        )
        collect_rarely()
        _log.info("ready", schema=schema)
        await asyncio.Event().wait()

    def _wait_for(self, what: str) -> None:
        self.why_not = what

    def _close_feed_on_signals(self) -> None:
        """The server hears of a signal first and then waits for open streams: end them then."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)

            def closing(signum: int, frame: FrameType | None, before: object = before) -> None:
                loop.call_soon_threadsafe(self.close_feed)
                if callable(before):
                    before(signum, frame)

            signal.signal(number, closing)
            self._stack.callback(signal.signal, number, before)


def make_app(settings: Settings) -> FastAPI:
    """The service: the log in; status, timelines, queues, counts and the live feed out."""
    configure_logging("casebook", replica=settings.replica, level=settings.log_level)
    configure_tracing(
        "casebook", replica=settings.replica, traces=settings.traces, ratio=settings.trace_ratio
    )

    runner = Runner(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await runner.start()
        try:
            yield
        finally:
            await runner.stop()
            stop_tracing()

    app = create_app(
        title="Qyzmet casebook",
        version=VERSION,
        lifespan=lifespan,
        routers=(router, searching, registers, overview),
        probes=Probes(live={"loops": runner.is_live}, ready={"casebook": runner.is_ready}),
        admission=Admission(
            TokenKeys(settings.token_keys, issuer=settings.token_issuer),
            BodyLimits(settings.body_bytes_max),
        ),
    )
    app.state.runner = runner
    return app


async def open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    """The databases, casebook's tables migrated; `stack` closes them. Raises Unavailable."""
    limits = Limits(
        connections_min=settings.pool_min, connections_max=settings.pool_max, whole_tables=False
    )
    name = f"casebook-{settings.replica}"
    pool = await open_pool(
        settings.database_url.get_secret_value(),
        schema=settings.schema_name,
        application_name=name,
        limits=limits,
    )
    stack.push_async_callback(pool.close)
    with reachable("the read side"):
        async with pool.acquire() as connection:
            # Where there are no tables, whoever folds makes them, beside, and shows them whole.
            if await exists(connection, settings.schema_name):
                await migrate(connection, MIGRATIONS, settings.schema_name)
    keys = await open_pool(
        settings.privacy_url.get_secret_value(),
        schema="public",
        application_name=name,
        limits=limits,
    )
    stack.push_async_callback(keys.close)
    master = read_master_keys(settings.master_key_file)
    return Stores(pool, Vault(keys, master, read_lookup_key(settings.lookup_key_file)))
