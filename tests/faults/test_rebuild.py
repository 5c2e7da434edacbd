"""The log alone rebuilds everything, the journals alone rebuild the log (D1), restores (D18).

One system, worked once: straight-through cases and cases worked by staff, with withdrawals,
returns and notices. Each test takes something away and finds all of it back.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from deploy.local.environment import SERVICES, STAGES
from deploy.local.processes import ServiceProcess
from deploy.local.system import LocalSystem
from shared.messaging.topics import TOPICS, delete_topics
from tests.faults.clients import Clients
from tests.faults.history import History
from tests.faults.people import applicants, dice
from tests.faults.robots import CaseWork, lodge_straight, opened
from tests.faults.snapshot import differences, snapshot
from tests.faults.stand import FULL, judge, new_seed, quiet, say, show_logs, standing

pytestmark = [pytest.mark.fault, pytest.mark.timeout(1800 if FULL else 900)]

STRAIGHT, BY_STAFF = (400, 25) if FULL else (40, 8)
ANSWER_WITHIN_S = 120.0
READY_WITHIN_S = 180.0
PROGRAM = Path(sys.executable).with_name("qyzmet")


@dataclass
class World:
    """A system with cases in it, and what its clients were told."""

    system: LocalSystem
    seed: int
    people: Iterator[dict[str, str]] = field(default_factory=applicants)
    history: History = field(default_factory=History)
    rounds: int = 0

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[Clients]:
        rng = dice(self.seed, "clients", self.rounds)
        async with Clients(self.system.environment, self.history, rng, ANSWER_WITHIN_S) as found:
            yield found

    async def work(self) -> None:
        """One more round of cases, from lodging to the end."""
        self.rounds += 1
        rng = dice(self.seed, "work", self.rounds)
        async with self.clients() as clients, asyncio.TaskGroup() as group:
            group.create_task(lodge_straight(clients, self.people, rng, STRAIGHT))
            for place in range(BY_STAFF):
                case = CaseWork(clients, dice(self.seed, self.rounds, place), next(self.people))
                group.create_task(case.run(withdraws=place % 3 == 2, returned=place % 4 == 1))
        await quiet(self.system)

    async def is_whole(self, *, same_log: bool = True) -> None:
        """Every invariant holds, and the command line finds log and journals equal."""
        await judge(self.system, self.history, self.seed, same_log=same_log)
        await self.qyzmet("audit", "verify")

    async def qyzmet(self, *arguments: str) -> None:
        """The command line says that all is well."""
        variables = {**os.environ, "QYZMET_FOLDER": str(self.system.folder)}
        done = await asyncio.to_thread(
            subprocess.run,
            [str(PROGRAM), *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"

    async def messages(self) -> dict[str, int]:
        """What the gateway was asked for."""
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.get(f"{self.system.environment.url('gateway')}/messages")
        found: dict[str, int] = answer.raise_for_status().json()
        return found

    async def stop_services(self) -> None:
        services = [self.system.services[name] for name in SERVICES]
        await asyncio.gather(*(asyncio.to_thread(service.stop) for service in services))

    async def in_the_middle(self) -> None:
        """Until a good part of a round has been answered."""
        enough = len(self.history.answers) + STRAIGHT + BY_STAFF * 2
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while len(self.history.answers) < enough:
            assert time.monotonic() < deadline, "nobody is answered"
            await asyncio.sleep(0.05)

    async def start_services(self) -> None:
        services = [self.system.services[name] for name in SERVICES]
        for service in services:
            service.start()
        await asyncio.gather(
            *(asyncio.to_thread(service.wait_ready, READY_WITHIN_S) for service in services)
        )


@pytest.fixture(scope="module")
async def worked() -> AsyncIterator[World]:
    seed = new_seed()
    say(f"seed {seed}")
    async with standing("rebuild") as system:
        world = World(system, seed)
        async with world.clients() as clients:
            await opened(clients, system)
        await world.work()
        await world.is_whole()
        yield world


@pytest.fixture
def world(worked: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """The same for all tests; if one fails, the ends of the logs say why."""
    failed = request.session.testsfailed
    yield worked
    if request.session.testsfailed > failed:
        show_logs(worked.system)


async def test_every_schema_is_rebuilt_from_the_topic(world: World) -> None:
    before, messages = await snapshot(world.system.environment), await world.messages()
    assert all(before[f"{stage}.journal"] for stage in STAGES), "there is something to rebuild"
    await world.stop_services()
    for schema in (*STAGES, "casebook"):
        world.system.postgres.query(f"DROP SCHEMA {schema} CASCADE", "qyzmet")
    await world.start_services()
    await quiet(world.system)
    assert differences(before, await snapshot(world.system.environment)) == []
    assert await world.messages() == messages, "a rebuild sends nothing"
    await world.is_whole()


async def test_the_topics_are_written_anew_from_the_journals(world: World) -> None:
    environment = world.system.environment
    before, messages = await snapshot(environment, places=False), await world.messages()
    await world.stop_services()
    await delete_topics(environment.kafka, [topic.name for topic in TOPICS])
    await world.qyzmet("log", "republish", "--apply", "--yes")
    await world.start_services()
    await quiet(world.system)
    assert differences(before, await snapshot(environment, places=False)) == []
    assert await world.messages() == messages, "republishing sends nothing"
    await world.is_whole(same_log=False)


async def test_a_database_of_yesterday_catches_up_with_the_log(world: World) -> None:
    postgres, environment = world.system.postgres, world.system.environment
    world.history.answers.clear()  # their positions were of the log before
    async with asyncio.TaskGroup() as group:
        group.create_task(world.work())
        await world.in_the_middle()
        await world.stop_services()
        postgres.create_database("yesterday", template="qyzmet")
        await world.start_services()
    before, messages = await snapshot(environment), await world.messages()
    await world.stop_services()
    postgres.drop_database("qyzmet")
    postgres.query('ALTER DATABASE "yesterday" RENAME TO "qyzmet"')
    await world.start_services()
    await quiet(world.system)
    assert differences(before, await snapshot(environment)) == []
    # What was being sent at the time of the backup is sent again, under the same key.
    assert (await world.messages()).keys() == messages.keys()
    await world.is_whole()


async def test_a_log_of_yesterday_is_found_out_and_repaired(world: World) -> None:
    broker, environment = world.system.broker, world.system.environment
    data, yesterday = broker.folder / "data", broker.folder / "yesterday"
    async with asyncio.TaskGroup() as group:
        group.create_task(world.work())
        await world.in_the_middle()
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(shutil.copytree, data, yesterday)
        broker.start()
    before, messages = await snapshot(environment, places=False), await world.messages()
    await world.stop_services()
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(shutil.rmtree, data)
    await asyncio.to_thread(yesterday.rename, data)
    broker.start()
    await asyncio.to_thread(broker.wait_ready)
    await refuses_to_serve(world)
    await world.qyzmet("log", "repair", "--apply", "--yes")
    await world.start_services()
    await quiet(world.system)
    assert differences(before, await snapshot(environment, places=False)) == []
    assert await world.messages() == messages, "a repair sends nothing to applicants"
    await world.is_whole(same_log=False)


async def refuses_to_serve(world: World) -> None:
    """Every stage says, in its log and by not being ready, that this is not its log."""
    services = [world.system.services[stage] for stage in STAGES]
    for service in services:
        service.start()
    for service in services:
        says_so = partial(_says, service, "another_log")
        await asyncio.to_thread(service.child.wait_until, says_so, READY_WITHIN_S)
        assert not service.is_ready()
        assert _says(service, "qyzmet log repair")
    await world.stop_services()


def _says(service: ServiceProcess, what: str) -> bool:
    return what in service.child.last_words()
