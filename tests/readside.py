"""Casebook in a test: a log of its own, the fold running, tables to look at, HTTP to ask."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import uvicorn
from fastapi import FastAPI
from joserfc.jwk import KeySet, OKPKey

from deploy.local.ports import free_ports
from services.casebook import offsets
from services.casebook.arrivals import Arrival, arrival_of
from services.casebook.following import Follower, Source
from services.casebook.offsets import Passed
from services.casebook.schemas import MIGRATIONS
from services.casebook.settings import Settings
from services.casebook.wiring import make_app
from shared.errors import Unavailable
from shared.http.tokens import issue
from shared.identifiers import Role
from shared.messaging.log import open_log
from shared.messaging.topics import TOPICS, create_topics, delete_topics
from shared.postgres.faults import reachable
from shared.postgres.migrations import migrate
from shared.postgres.pool import Pool, open_pool
from shared.privacy.master import new_key_text
from tests.facts import Written, publish

WAIT_S = 20.0
KEY = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig"}, private=True)

FOLDED = {
    "cases": "case_id, seen, standing, parked, waits",
    "status": "*",
    "timeline": "*",
    "notices": "*",
    "names": "*",
    "waiting": "*",
    "parked": "*",
    "setbacks": "*",
    "members": "*",
    "absences": "*",
    "acting": "*",
    "offsets": "topic, partition, next, last_source, last_case, last_sequence, last_event_id",
}
"""What must be equal after a rebuild from the same log."""


async def fresh_log(bootstrap: str) -> None:
    """Empty topics of the declared names."""
    await create_topics(bootstrap)
    await delete_topics(bootstrap, [topic.name for topic in TOPICS])
    await create_topics(bootstrap)


@dataclass
class ReadSide:
    """The fold of one schema, without HTTP."""

    bootstrap: str
    url: str
    pool: Pool
    schema: str = "casebook"

    def follower(self, *, parked_max: int = 100, replica: str = "test") -> Follower:
        """A replica that may fold."""
        source = Source(self.bootstrap, self.url, self.schema, replica, parked_max)
        return Follower(self.pool, source)

    @asynccontextmanager
    async def folding(self, *, parked_max: int = 100) -> AsyncIterator[Follower]:
        """A replica folds for the time of a block."""
        follower = self.follower(parked_max=parked_max)
        task = asyncio.create_task(follower.run())
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def tell(self, *records: Written) -> list[tuple[int, int]]:
        """Publish, and wait until all of it is folded."""
        positions = await publish(self.bootstrap, records)
        await self.caught_up(records, positions)
        return positions

    async def caught_up(
        self, records: Collection[Written], positions: Collection[tuple[int, int]]
    ) -> None:
        """Wait until these positions are folded."""
        await self._folded(
            [(record.topic, *position) for record, position in zip(records, positions, strict=True)]
        )

    async def _folded(self, wanted: Collection[tuple[str, int, int]]) -> None:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            following: dict[tuple[str, int], int] = {}
            # Until it is made again, a dropped schema has folded nothing; nor is anything to be
            # seen through a connection that the test has ended.
            with suppress(asyncpg.UndefinedTableError, Unavailable), reachable("the database"):
                rows = await self.pool.fetch("SELECT topic, partition, next FROM offsets")
                following = {(row["topic"], row["partition"]): row["next"] for row in rows}
            if all(following.get((t, p), 0) > offset for t, p, offset in wanted):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"not folded within {WAIT_S} s")

    async def caught_up_to_the_end(self) -> None:
        """Wait until the whole log is folded."""
        async with open_log(self.bootstrap, [topic.name for topic in TOPICS]) as log:
            ends = await log.ends()
        at = [(topic, partition, end - 1) for (topic, partition), end in ends.items() if end]
        await self._folded(at)

    async def eventually(self, claim: str) -> None:
        """Wait until a question to the database is answered with yes."""
        deadline = time.monotonic() + WAIT_S
        while not await self.pool.fetchval(claim):
            if time.monotonic() > deadline:
                raise AssertionError(claim)
            await asyncio.sleep(0.05)

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until it is so."""
        deadline = time.monotonic() + WAIT_S
        while not claim():
            if time.monotonic() > deadline:
                raise AssertionError("it did not come to that in time")
            await asyncio.sleep(0.05)

    async def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows that the log determines."""
        return {
            table: sorted(
                (
                    tuple(row.values())
                    for row in await self.pool.fetch(f"SELECT {columns} FROM {table}")
                ),
                key=repr,
            )
            for table, columns in FOLDED.items()
        }

    async def drop(self) -> None:
        """Lose the schema."""
        await self.pool.execute(f"DROP SCHEMA {self.schema} CASCADE")
        await self.pool.expire_connections()


@asynccontextmanager
async def read_side(
    bootstrap: str, url: str, *, from_start: bool = False
) -> AsyncIterator[ReadSide]:
    """An empty schema that reads on from where the log ends now, or on an empty log."""
    if from_start:
        await fresh_log(bootstrap)
    else:
        await create_topics(bootstrap)
    async with await open_pool(url, schema="casebook", application_name="test") as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS, "casebook")
            await offsets.load(connection)
            last = await _last_records(bootstrap)
            for arrival in last:
                raw = arrival.raw
                await connection.execute(
                    "UPDATE offsets SET next = $3 WHERE topic = $1 AND partition = $2",
                    raw.topic,
                    raw.partition,
                    raw.offset,
                )
            if last:
                await offsets.move(connection, Passed().by(last))
        yield ReadSide(bootstrap, url, pool)


async def _last_records(bootstrap: str) -> list[Arrival]:
    """The last record of each partition that has one."""
    async with (
        open_log(bootstrap, [topic.name for topic in TOPICS]) as log,
        asyncio.timeout(WAIT_S),
    ):
        ends = await log.ends()
        log.seek({at: max(end - 1, 0) for at, end in ends.items()})
        found: list[Arrival] = []
        while len(found) < sum(1 for end in ends.values() if end):
            found += [arrival_of(record) for record in await log.poll(100, 100)]
        return found


def token(
    staff: str, office: str, *roles: Role, lifetime: timedelta = timedelta(hours=1)
) -> dict[str, str]:
    """The header by which somebody asks."""
    private = {name: str(value) for name, value in KEY.as_dict(private=True).items()}
    text = issue(private, staff=staff, office=office, roles=roles, lifetime=lifetime)
    return {"Authorization": f"Bearer {text}"}


def settings_of(folder: Path, *, bootstrap: str, url: str, privacy_url: str) -> Settings:
    """Settings with keys in a folder."""
    files = {"master.key": f"1 {new_key_text()}\n", "lookup.key": f"{new_key_text()}\n"}
    for name, text in files.items():
        if not (folder / name).exists():
            (folder / name).write_text(text)
    keys = KeySet([KEY]).as_dict(private=False)
    (folder / "tokens.json").write_text(json.dumps(keys))
    return Settings.model_validate(
        {
            "database_url": url,
            "privacy_url": privacy_url,
            "kafka": bootstrap,
            "port": free_ports(1)[0],
            "master_key_file": folder / "master.key",
            "lookup_key_file": folder / "lookup.key",
            "token_keys": folder / "tokens.json",
            "log_level": "warning",
        }
    )


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Casebook over HTTP, ready."""
    app = make_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, port=settings.port, log_config=None, timeout_graceful_shutdown=5)
    )
    task = asyncio.create_task(server.serve())
    base = f"http://127.0.0.1:{settings.port}"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=10, trust_env=False) as client:
            await _ready(client, task)
            yield client
    finally:
        _end_streams(app)
        server.should_exit = True
        await task


def _end_streams(app: FastAPI) -> None:
    app.state.runner.close_feed()


async def _ready(client: httpx.AsyncClient, task: "asyncio.Task[None]") -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and not task.done():
        try:
            if (await client.get("/health/ready")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("casebook was not ready in time")
