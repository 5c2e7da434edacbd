"""One stage as a running service: everything of the shell, put together once for all stages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Final

import structlog
from fastapi import APIRouter, FastAPI, Request

from shared.clock import now
from shared.errors import Unavailable
from shared.garbage import collect_rarely
from shared.http.application import Admission, Probes, create_app
from shared.http.limits import BodyLimits
from shared.http.tokens import TokenKeys
from shared.journal.consumer import Consumer, Membership
from shared.journal.desk import Desk
from shared.journal.errands import CarryOut, Errands
from shared.journal.inbox import Inbox
from shared.journal.relay import Relay
from shared.journal.resolving import Resolving
from shared.journal.restore import AnotherLog, restore
from shared.journal.rows import AnyDecider
from shared.journal.surroundings import Stage, listening
from shared.journal.timers import Timers
from shared.loops import Loops, until_available
from shared.observability.logging import configure_logging
from shared.observability.tracing import configure_tracing, stop_tracing
from shared.postgres.faults import reachable
from shared.postgres.migrations import migrate
from shared.postgres.pool import Limits, open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import read_lookup_key, read_master_keys
from shared.procedures.catalogue import load_catalogue
from shared.procedures.working_time import WorkingCalendar, calendar_from_holidays
from shared.settings import ServiceSettings
from shared.version import VERSION

_log = structlog.get_logger()

MIGRATIONS: Final = files("shared.journal") / "migrations"
_RECHECK_S: Final = 5.0


@dataclass(frozen=True)
class Parts:
    """What one stage brings: its pure functions, its routes, its way to the outside.

    `prepare` runs after the restore and before anything is served.
    """

    cases: AnyDecider
    routers: Sequence[APIRouter]
    department: AnyDecider | None = None
    weighs_loads: bool = False
    carry_out: "Callable[[Shell], AbstractAsyncContextManager[CarryOut]] | None" = None
    prepare: Callable[[Stage], Awaitable[None]] | None = None


@dataclass
class Shell:
    """What a stage's routes work with."""

    settings: ServiceSettings
    stage: Stage
    relay: Relay
    desk: Desk
    inbox: Inbox
    consumer: Consumer
    resolving: Resolving


class Runner:
    """Brings a stage up in the background, so that its probes answer from the first moment."""

    def __init__(self, settings: ServiceSettings, parts: Parts) -> None:
        self.shell: Shell | None = None
        self.why_not = "starting"
        self._settings = settings
        self._parts = parts
        self._stack = AsyncExitStack()
        self._loops = Loops()

    async def start(self) -> None:
        """Begin; returns at once."""
        self._loops.start(self._bring_up(), "bring-up")

    async def stop(self) -> None:
        """End all loops, leave the group, close the pools."""
        shell, self.shell = self.shell, None
        await self._loops.stop()
        if shell is not None:
            await shell.consumer.stop()
        await self._stack.aclose()

    async def is_ready(self) -> None:
        """A probe: restored, reading, and the database answers."""
        if self.shell is None:
            raise Unavailable(self.why_not)
        if self.shell.consumer.halted is not None:
            raise Unavailable(self.shell.consumer.halted)
        with reachable("the journal"):
            await self.shell.stage.pool.fetchval("SELECT 1")

    async def is_live(self) -> None:
        """A probe: none of the loops has ended."""
        self._loops.require_all()

    async def _bring_up(self) -> None:
        settings, parts = self._settings, self._parts
        opening = partial(open_stage, settings, parts, self._stack)
        stage = await until_available(opening, self._wait_for)
        await until_available(partial(self._restore, stage), self._wait_for)
        shell = self._shell(stage)
        freed = await shell.resolving.retry_unknown()
        if freed:
            _log.info("cases_flow_again", cases=freed)
        self._loops.start(shell.relay.run(), "relay")
        self._loops.start(Timers(stage, shell.relay).run(), "timers")
        if parts.carry_out is not None:
            carry_out = await self._stack.enter_async_context(parts.carry_out(shell))
            self._loops.start(Errands(stage, shell.relay, carry_out).run(), "errands")
        await shell.consumer.start()
        self.shell = shell
        collect_rarely()
        _log.info("ready", stage=stage.source.value)
        await asyncio.Event().wait()

    async def _restore(self, stage: Stage) -> None:
        """Take back what the log has and the journal lacks, when it is the log that we know."""
        while True:
            try:
                await restore(stage, self._settings.kafka)
                break
            except AnotherLog as fault:
                self._wait_for(str(fault))
                _log.error("another_log", why=self.why_not)
                await asyncio.sleep(_RECHECK_S)
        if self._parts.prepare is not None:
            await self._parts.prepare(stage)

    def _wait_for(self, what: str) -> None:
        self.why_not = what

    def _shell(self, stage: Stage) -> Shell:
        settings = self._settings
        url = settings.database_url.get_secret_value()
        relay = Relay(url, stage.source.value, settings.kafka)
        inbox = Inbox(stage, relay)
        desk = Desk(
            stage,
            relay,
            publish_wait_s=settings.publish_wait_s,
            backlog_limit_s=settings.backlog_limit_s,
            read_wait_s=settings.read_wait_s,
        )
        consumer = Consumer(
            stage,
            inbox,
            settings.kafka,
            Membership(
                group=f"{settings.consumer_group}-{stage.source.value}",
                replica=settings.replica,
                batch_max=settings.batch_max,
            ),
        )
        resolving = Resolving(stage, relay, inbox)
        return Shell(settings, stage, relay, desk, inbox, consumer, resolving)


def stage_app(settings: ServiceSettings, parts: Parts) -> FastAPI:
    """The application of a stage; its routes find the shell by `shell_of`."""
    source = parts.cases.source.value
    configure_logging(source, replica=settings.replica, level=settings.log_level)
    configure_tracing(
        source, replica=settings.replica, traces=settings.traces, ratio=settings.trace_ratio
    )
    runner = Runner(settings, parts)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await runner.start()
        try:
            yield
        finally:
            await runner.stop()
            stop_tracing()

    app = create_app(
        title=f"Qyzmet {source}",
        version=VERSION,
        lifespan=lifespan,
        routers=parts.routers,
        probes=Probes(live={"loops": runner.is_live}, ready={source: runner.is_ready}),
        admission=Admission(
            TokenKeys(settings.token_keys, issuer=settings.token_issuer),
            BodyLimits(
                settings.body_bytes_max,
                routes={"/applications/batch": settings.batch_body_bytes_max},
            ),
        ),
    )
    app.state.runner = runner
    return app


def shell_of(request: Request) -> Shell:
    """A dependency: the running shell. Raises Unavailable while the stage is not ready."""
    runner: Runner = request.app.state.runner
    if runner.shell is None:
        raise Unavailable(f"not ready: {runner.why_not}")
    return runner.shell


async def open_stage(settings: ServiceSettings, parts: Parts, stack: AsyncExitStack) -> Stage:
    """The stage on its database, migrated; `stack` closes it. Raises Unavailable."""
    source = parts.cases.source.value
    limits = Limits(
        connections_min=settings.pool_min, connections_max=settings.pool_max, whole_tables=False
    )
    name = f"{source}-{settings.replica}"
    pool = await open_pool(
        settings.database_url.get_secret_value(),
        schema=source,
        application_name=name,
        limits=limits,
    )
    stack.push_async_callback(pool.close)
    with reachable("the journal"):
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS, source)
    keys = await open_pool(
        settings.privacy_url.get_secret_value(),
        schema="public",
        application_name=name,
        limits=limits,
    )
    stack.push_async_callback(keys.close)
    master = read_master_keys(settings.master_key_file)
    return Stage(
        cases=parts.cases,
        pool=pool,
        vault=Vault(keys, master, read_lookup_key(settings.lookup_key_file)),
        procedures=load_catalogue(),
        calendar=working_calendar(),
        department=parts.department or listening(parts.cases.source),
        weighs_loads=parts.weighs_loads,
    )


def working_calendar() -> WorkingCalendar:
    """The calendar of the years around now: what is lodged today is never due beyond it."""
    year = now().year
    return calendar_from_holidays(range(year - 1, year + 3))
