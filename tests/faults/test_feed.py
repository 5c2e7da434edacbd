"""The live feed while casebook, the broker and the clients are killed: no change missed or doubled.

Every client resumes where it stood, as a browser does. At the end each one has heard exactly the
changes of its office, in their order, as casebook numbered them.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import asyncpg
import httpx
import pytest
from aiokafka.errors import KafkaError

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from shared.identifiers import Role
from shared.messaging.topics import create_topics
from tests.casebook_process import CasebookProcess
from tests.department import department
from tests.facts import CaseFacts, Written, publish
from tests.faults.stand import FULL, new_seed, say
from tests.readside import ReadSide, token
from tests.streams import events

pytestmark = [pytest.mark.timeout(1800 if FULL else 300), *([pytest.mark.fault] if FULL else [])]

ROUNDS = 12 if FULL else 2
BETWEEN_S = 1.5
EVERY_S = 0.1
OFFICES = ("almaly", "medeu")
CUT_S_MAX = 0.7
HEARD_WITHIN_S = 60.0


@dataclass
class Listener:
    """A client that resumes for as long as it lives; `cuts`: it hangs up by itself, too."""

    base: str
    office: str | None
    dice: Random
    cuts: bool = False
    numbers: list[int] = field(default_factory=list)
    cases: set[str] = field(default_factory=set)
    reloads: int = 0
    connections: int = 0
    last_id: str | None = None

    def has_heard(self, number: int) -> bool:
        """Whether that change was the last one heard."""
        return self.numbers[-1:] == [number]

    async def run(self) -> None:
        """Listen, whatever happens to the connection; ends only by cancellation."""
        role = Role.OPERATOR if self.office is None else Role.OFFICE_SPECIALIST
        header = token("listener", self.office or OFFICES[0], role)
        async with httpx.AsyncClient(base_url=self.base, timeout=30, trust_env=False) as client:
            while True:
                try:
                    async with asyncio.timeout(
                        self.dice.uniform(0.05, CUT_S_MAX) if self.cuts else None
                    ):
                        await self._listen(client, header)
                except (httpx.TransportError, TimeoutError):
                    pass
                await asyncio.sleep(0.05)

    async def _listen(self, client: httpx.AsyncClient, header: dict[str, str]) -> None:
        resumed = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
        async with client.stream("GET", "/feed", headers=header | resumed) as response:
            if response.status_code != httpx.codes.OK:
                return  # it is starting
            self.connections += 1
            async for event in events(response):
                if event["event"] == "reload":
                    self.reloads += 1
                if event["event"] == "changed":
                    for change in json.loads(event["data"])["changes"]:
                        self.numbers.append(change["change"])
                        self.cases.add(change["case_id"])
                self.last_id = event["id"]


@dataclass
class Teller:
    """Tells new facts of both offices, again and again until the broker has taken them."""

    bootstrap: str
    told: list[Written] = field(default_factory=list)
    positions: list[tuple[int, int]] = field(default_factory=list)
    offices: dict[str, str] = field(default_factory=dict)

    async def run(self, done: asyncio.Event) -> None:
        """Until it is told to end."""
        while not done.is_set():
            await self._tell(list(self._some()))
            await asyncio.sleep(EVERY_S)

    def _some(self) -> Iterator[Written]:
        for office in OFFICES:
            case = CaseFacts(office=office)
            self.offices[str(case.case_id)] = office
            case.lodged()
            case.registered()
            case.assigned()
            yield from case.written

    async def _tell(self, records: list[Written]) -> None:
        while True:
            try:
                self.positions += await publish(self.bootstrap, records)
                self.told += records
                return
            except (KafkaError, TimeoutError, OSError):
                await asyncio.sleep(EVERY_S)


@pytest.fixture
async def mortal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalBroker]:
    port, controller_port = free_ports(2)
    server = LocalBroker(tmp_path_factory.mktemp("feed") / "kafka", port, controller_port)
    try:
        server.start()
        await asyncio.to_thread(server.wait_ready)
        await create_topics(server.bootstrap)
        yield server
    finally:
        server.stop()


async def until(claim: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + HEARD_WITHIN_S
    while not claim():
        assert time.monotonic() < deadline, "it did not come to that in time"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def listening(listeners: list[Listener]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in listeners]
    try:
        # From its first connection on a client misses nothing.
        await until(lambda: all(each.last_id is not None for each in listeners))
        yield
        assert not [task for task in tasks if task.done()], "a listener ended by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_whatever_is_killed_each_change_is_heard_once(
    mortal: LocalBroker, database: str, tmp_path: Path
) -> None:
    seed = new_seed()
    say(f"seed {seed}")
    async with department(mortal.bootstrap, database, tmp_path) as office:
        side, casebook = office.side, CasebookProcess(office.settings)
        casebook.start()
        try:
            await asyncio.to_thread(casebook.wait_ready)
            listeners = [
                Listener(casebook.base, office, Random(f"{seed} {office} {cuts}"), cuts)
                for office in (*OFFICES, None)
                for cuts in (False, True)
            ]
            teller = Teller(mortal.bootstrap)
            async with listening(listeners):
                await tell_while_things_die(teller, casebook, mortal, Random(seed))
                await side.caught_up(teller.told, teller.positions)
                await all_heard(side, listeners)
        finally:
            casebook.kill()
        await judge(side, listeners, teller)


async def tell_while_things_die(
    teller: Teller, casebook: CasebookProcess, broker: LocalBroker, dice: Random
) -> None:
    done = asyncio.Event()
    telling = asyncio.create_task(teller.run(done))
    try:
        for _ in range(ROUNDS):
            await asyncio.sleep(dice.uniform(0.2, BETWEEN_S))
            casebook.kill()
            await asyncio.sleep(dice.uniform(0, 1))
            casebook.start()
            await asyncio.to_thread(casebook.wait_ready)
            await asyncio.sleep(dice.uniform(0.2, BETWEEN_S))
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(dice.uniform(0, 1))
            broker.start()
            await asyncio.to_thread(broker.wait_ready)
    finally:
        done.set()
        await telling


async def numbered(side: ReadSide, office: str | None) -> list[int]:
    rows: list[asyncpg.Record] = await side.pool.fetch(
        "SELECT change FROM changes WHERE $1::text IS NULL OR office = $1 ORDER BY change", office
    )
    return [row["change"] for row in rows]


async def all_heard(side: ReadSide, listeners: list[Listener]) -> None:
    """Wait until everybody has heard of the last change; who never does is judged."""
    for listener in listeners:
        last = (await numbered(side, listener.office))[-1]
        with suppress(AssertionError):
            await until(partial(listener.has_heard, last))


async def judge(side: ReadSide, listeners: list[Listener], teller: Teller) -> None:
    for listener in listeners:
        expected = await numbered(side, listener.office)
        assert len(expected) >= len(teller.offices) / len(OFFICES)
        kind = f"{listener.office or 'all'}{', hangs up' if listener.cuts else ''}"
        say(f"{kind}: {len(listener.numbers)} changes, {listener.connections} connections")
        assert listener.reloads == 0, kind
        assert listener.numbers == expected, kind
        assert listener.connections > ROUNDS, "nothing was killed"
        theirs = {
            case_id
            for case_id, office in teller.offices.items()
            if listener.office in (None, office)
        }
        assert listener.cases == theirs, kind
