"""kill -9 of every process at random moments while cases run: nothing is lost, nothing is double.

In the size of every commit by default; QYZMET_FAULTS=full for the size of the promise.
"""

import asyncio
import threading
from dataclasses import dataclass

import pytest

from deploy.local.system import LocalSystem
from tests.faults.clients import Clients
from tests.faults.history import History
from tests.faults.nemesis import Nemesis
from tests.faults.people import applicants, dice
from tests.faults.robots import CaseWork, lodge_straight, opened
from tests.faults.stand import FULL, judge, new_seed, quiet, ready, say, standing


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    straight: int
    by_staff: int
    kills_each: int
    pause_max_s: float
    """The longest pause between two kills."""
    patience_s: float
    """How long in all the nemesis waits for processes to be up again."""
    step_pause_max_s: float
    """The longest pause of staff between two steps."""
    answer_within_s: float


SIZE = (
    Size(2_000, 50, 20, 4.0, 1_200.0, 60.0, 300.0)
    if FULL
    else Size(200, 10, 2, 1.5, 50.0, 5.0, 120.0)
)
VICTIMS = 8
# In full size it belongs to the long tests, in the small one to all.
pytestmark = [pytest.mark.timeout(3600 if FULL else 420), *([pytest.mark.fault] if FULL else [])]


async def test_no_kill_loses_or_doubles_anything() -> None:
    seed = new_seed()
    say(f"seed {seed}")
    history = History()
    async with (
        standing("kill") as system,
        Clients(
            system.environment, history, dice(seed, "clients"), SIZE.answer_within_s
        ) as clients,
    ):
        await opened(clients, system)
        nemesis = await under_fire(system, clients, seed)
        say("all work is done, all kills are made")
        await ready(system)
        await quiet(system)
        say("quiet")
        nemesis.look()
        history.faults += nemesis.died
        say(f"{sum(nemesis.killed.values())} kills: {dict(nemesis.killed)}")
        assert min(nemesis.killed.values()) >= SIZE.kills_each
        assert len(history.applications) == SIZE.straight + SIZE.by_staff
        await judge(system, history, seed)


async def under_fire(system: LocalSystem, clients: Clients, seed: int) -> Nemesis:
    """Cases run all the while; with each kill comes its share of the applications."""
    work = Feed(SIZE.straight, SIZE.kills_each * VICTIMS)
    nemesis = Nemesis(system, seed, SIZE.kills_each, SIZE.pause_max_s, SIZE.patience_s, work.bring)
    people, rng = applicants(), dice(seed, "work")
    try:
        async with asyncio.TaskGroup() as group:
            for place in range(SIZE.by_staff):
                case = CaseWork(clients, dice(seed, place), next(people), SIZE.step_pause_max_s)
                group.create_task(case.run(withdraws=place % 5 == 4, returned=place % 5 == 1))
            group.create_task(asyncio.to_thread(nemesis.run))
            while count := await asyncio.to_thread(work.take):
                group.create_task(lodge_straight(clients, people, rng, count))
    finally:
        nemesis.end()
        work.end()
    return nemesis


class Feed:
    """Shares out the applications over the kills."""

    def __init__(self, total: int, parts: int) -> None:
        self._shares = [total // parts + (place < total % parts) for place in range(parts)]
        self._due = threading.Semaphore(0)

    def bring(self) -> None:
        """The next share is due."""
        self._due.release()

    def end(self) -> None:
        """Nothing more is due."""
        self._shares.clear()
        self._due.release()

    def take(self) -> int:
        """Wait for the next share; how many applications. 0: that was all."""
        if not self._shares:
            return 0
        self._due.acquire()
        return self._shares.pop(0) if self._shares else 0
