"""The read side folded anew beside the live one, and put in its stead (D14).

One rebuild at a time, and none while the workers of a killed one still write: both by locks that
the server ends with the process that holds them. Everything can be killed at any point and begun
again; where to go on is in the offsets of the tables that are being filled.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.casebook import folding, offsets
from services.casebook.arrivals import arrivals_of, up_to
from services.casebook.building import Advance, Stretch
from services.casebook.projections.names import carry as carry_names
from services.casebook.projections.names import put_back as put_back_names
from services.casebook.schemas import (
    CHANNEL,
    MIGRATIONS,
    Schemas,
    drop,
    exists,
    rename,
    stop_folding,
)
from shared.messaging.log import Log, open_log, open_places
from shared.messaging.log import Place as Partition
from shared.messaging.topics import TOPICS
from shared.postgres.faults import reachable
from shared.postgres.migrations import migrate
from shared.postgres.pool import Connection, Limits, connect
from shared.postgres.schema import checked_schema

OVERLAP: Final = 300
"""The last records of each partition are not folded in bulk but like live ones, with their changes:
so that whoever hears the feed of the tables before can go on with these."""
_REBUILDING: Final = 0x71797A72
"""The first half of a lock ("qyzr"): one rebuild at a time."""
_WRITING: Final = 0x71797A77
"""The first half of a lock ("qyzw"): shared by all who fill the new tables."""
_LONG: Final = Limits(statement_s=3600.0, idle_in_transaction_s=600.0)
_ORPHANS_S: Final = 30.0
_LEVEL_S: Final = 60.0
_NEAR: Final = 500
_POLL_MAX: Final = 2_000
_PAUSE_S: Final = 0.1

_NOTE: Final = "INSERT INTO origin (reason) VALUES ($1) ON CONFLICT DO NOTHING"
_BEGUN: Final = "SELECT reason FROM {}.origin"
_ACT: Final = "INSERT INTO {}.acts (act, reason) VALUES ($1, $2)"
_FOLDED: Final = "UPDATE origin SET folded_at = coalesce(folded_at, now())"


class CannotRebuild(Exception):
    """Nothing was changed, and why."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the log is, and the tables."""

    bootstrap: str
    database_url: str
    schemas: Schemas
    name: str
    """How the server lists our connections."""

    @asynccontextmanager
    async def connected(self, schema: str) -> AsyncIterator[Connection]:
        """A connection for work that may take long. Raises Unavailable."""
        connection = await connect(
            self.database_url, schema=schema, application_name=self.name, limits=_LONG
        )
        try:
            with reachable("the read side"):
                yield connection
        finally:
            await closed(connection)

    @asynccontextmanager
    async def log(self) -> AsyncIterator[Log]:
        """The whole log. Raises Unavailable."""
        async with open_log(self.bootstrap, [topic.name for topic in TOPICS]) as log:
            yield log


async def closed(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Close it, so that its locks are free; one that cannot say good-bye in time is cut."""
    try:
        await connection.close(timeout=2.0)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


@asynccontextmanager
async def alone(site: Site) -> AsyncIterator[Connection]:
    """Nobody else rebuilds meanwhile, and nothing of an earlier attempt still writes.

    Raises:
        CannotRebuild: somebody does.
    """
    following = site.schemas.next
    async with site.connected(site.schemas.live) as connection:
        if not await connection.fetchval(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", _REBUILDING, following
        ):
            raise CannotRebuild("another rebuild is under way")
        try:
            await connection.execute(
                "SELECT pg_advisory_lock($1, hashtext($2))", _WRITING, following, timeout=_ORPHANS_S
            )
        except TimeoutError:
            raise CannotRebuild("workers of an earlier rebuild still write: end them") from None
        await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", _WRITING, following)
        yield connection


async def prepare(site: Site, reason: str) -> None:
    """Empty tables for a rebuild; those of an unfinished one stay as they are."""
    async with site.connected(site.schemas.next) as connection:
        await migrate(connection, MIGRATIONS, site.schemas.next)
        await connection.execute(_NOTE, reason)
        await offsets.load(connection)


async def ends_in_bulk(site: Site, log: Log) -> dict[Partition, int]:
    """Up to where to fold in bulk: somewhat before the end of the log, and never back."""
    async with site.connected(site.schemas.next) as connection:
        reached = await offsets.load(connection)
        await offsets.know_again(log, reached)
    ends = await log.ends()
    return {place: max(reached[place].next, end - OVERLAP, 0) for place, end in ends.items()}


async def fill(site: Site, ends: Mapping[Partition, int], advance: Advance) -> None:
    """Fold some partitions in bulk, in this process. Raises Conflict, Unavailable."""
    following = site.schemas.next
    async with site.connected(following) as connection:
        await connection.execute(
            "SELECT pg_advisory_lock_shared($1, hashtext($2))", _WRITING, following
        )
        async with open_places(site.bootstrap, list(ends)) as log:
            await Stretch(connection, log, ends, advance).fold()


async def finish(site: Site) -> None:
    """Note that the bulk is done, and let the server look at what is there."""
    async with site.connected(site.schemas.next) as connection:
        await connection.execute(_FOLDED)
        await connection.execute("ANALYZE")


class Shadow:
    """Tables that nobody reads, brought on record by record like the live ones."""

    def __init__(self, site: Site, connection: Connection, log: Log) -> None:
        self._site = site
        self._connection = connection
        self._log = log
        self.reached: dict[Partition, int] = {}

    async def begin(self) -> None:
        """Check that the log is the one that was folded. Raises ForeignLog."""
        folded = await offsets.load(self._connection)
        await offsets.know_again(self._log, folded)
        self.reached = {place: each.next for place, each in folded.items()}

    async def follow(self, to: Mapping[Partition, int]) -> None:
        """Fold up to these places, where it is not farther already."""
        wanted = {place: max(end, self.reached[place]) for place, end in to.items()}
        self._log.seek(self.reached)
        async for found in self._log.read_as(wanted, _POLL_MAX, arrivals_of):
            if arrivals := up_to(wanted, found):
                await folding.fold(self._connection, arrivals)
            for each in arrivals:
                self.reached[each.raw.topic, each.raw.partition] = each.raw.offset + 1

    async def follow_to_the_end(self) -> None:
        """Fold until only a few records are left, since more come all the time."""
        while True:
            ends = await self._log.ends()
            left = sum(ends[place] - self.reached[place] for place in ends)
            await self.follow(ends)
            if left < _NEAR:
                return


@asynccontextmanager
async def open_shadow(site: Site, schema: str) -> AsyncIterator[Shadow]:
    """The tables of a schema. Raises CannotRebuild, ForeignLog, Unavailable."""
    async with site.connected(schema) as connection, site.log() as log:
        if not await exists(connection, schema):
            raise CannotRebuild(f"there is no schema {schema}")
        await migrate(connection, MIGRATIONS, schema)
        shadow = Shadow(site, connection, log)
        await shadow.begin()
        yield shadow


@asynccontextmanager
async def level(
    site: Site, connection: Connection, shadow: Shadow, *, exactly: bool
) -> AsyncIterator[None]:
    """A transaction in which nothing is folded into the live tables, and the shadow's are as far.

    Not `exactly`: as far or farther.

    Raises:
        CannotRebuild: the live tables stand before the others and do not go on.
    """
    live, deadline = site.schemas.live, time.monotonic() + _LEVEL_S
    while True:
        # The long way while the live tables are folded on, the rest while they wait.
        await shadow.follow(await offsets.reached(connection, live))
        async with connection.transaction():
            await stop_folding(connection, live)
            stands = await offsets.reached(connection, live)
            if not (exactly and any(shadow.reached[at] > stands[at] for at in stands)):
                await shadow.follow(stands)
                yield
                return
        if time.monotonic() > deadline:
            raise CannotRebuild(
                f"{live} stands before {site.schemas.next} and is not folded on, so they cannot"
                " be compared at the same place: is casebook running?"
            )
        await asyncio.sleep(_PAUSE_S)


async def swap(site: Site, reason: str) -> None:
    """Make the rebuilt tables the live ones, and keep those that were; in one instant.

    Raises:
        CannotRebuild: there is nothing to swap in, or it is not brought level.
    """
    names = site.schemas
    async with open_shadow(site, names.next) as shadow, site.connected(names.live) as connection:
        if not await exists(connection, names.live):
            await _step_in(site, connection, shadow)
            await note(site, "swap", reason)
            return
        await carry_names(connection, names.live, names.next)
        async with level(site, connection, shadow, exactly=False):
            await drop(connection, names.before)
            await rename(connection, names.live, names.before)
            await rename(connection, names.next, names.live)
        await put_back_names(connection, names.before)
    await note(site, "swap", reason)
    await _tell(site)


async def roll_back(site: Site, reason: str) -> None:
    """Make the tables from before the last swap the live ones again, with all that came since."""
    names = site.schemas
    async with open_shadow(site, names.before) as shadow, site.connected(names.live) as connection:
        await shadow.follow_to_the_end()
        await carry_names(connection, names.live, names.before)
        async with level(site, connection, shadow, exactly=False):
            await rename(connection, names.live, names.aside)
            await rename(connection, names.before, names.live)
            await rename(connection, names.aside, names.before)
        await put_back_names(connection, names.before)
    await note(site, "rollback", reason)
    await _tell(site)


async def renew(site: Site, reason: str, alive: Callable[[], None]) -> None:
    """Fold the whole log where there are no live tables: for a first start, and for a loss.

    Raises:
        CannotRebuild: somebody else is about it.
    """
    async with alone(site) as connection:
        if await exists(connection, site.schemas.live):
            return
        if await exists(connection, site.schemas.next):
            # Ours, and unfinished: go on. An operator's: they may have found that it is wrong.
            begun = await connection.fetchval(_BEGUN.format(checked_schema(site.schemas.next)))
            if begun != reason:
                await drop(connection, site.schemas.next)
        await prepare(site, reason)
        async with site.log() as log:
            ends = await ends_in_bulk(site, log)
        await fill(site, ends, lambda _: alive())
        await finish(site)
        async with open_shadow(site, site.schemas.next) as shadow:
            await _step_in(site, connection, shadow)
    await _tell(site)


async def _step_in(site: Site, connection: Connection, shadow: Shadow) -> None:
    """Become the live tables where there are none; never behind what was live before."""
    await shadow.follow_to_the_end()
    async with connection.transaction():
        await rename(connection, site.schemas.next, site.schemas.live)


async def discard(site: Site, schema: str, reason: str) -> None:
    """Delete tables that are not the live ones."""
    if schema == site.schemas.live:
        raise CannotRebuild("the live tables are not dropped: swap them first")
    async with site.connected(site.schemas.live) as connection:
        await drop(connection, schema)
    await note(site, "drop", reason)


async def note(site: Site, act: str, reason: str) -> None:
    """Write down what an operator did, where the live tables are now."""
    async with site.connected(site.schemas.live) as connection:
        if await exists(connection, site.schemas.live):
            await connection.execute(_ACT.format(checked_schema(site.schemas.live)), act, reason)


async def _tell(site: Site) -> None:
    async with site.connected(site.schemas.live) as connection:
        await connection.execute("SELECT pg_notify($1, '')", f"{CHANNEL}_{site.schemas.live}")
