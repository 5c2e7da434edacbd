"""Two replicas of each stage; one of each is frozen for 20 s while cases run, and then woken."""

import asyncio
from dataclasses import dataclass

import pytest

from deploy.local.environment import STAGES
from deploy.local.processes import ServiceProcess
from deploy.local.system import LocalSystem
from tests.faults.clients import Clients
from tests.faults.history import History
from tests.faults.people import applicants, dice
from tests.faults.robots import CaseWork, lodge_straight, opened
from tests.faults.stand import FULL, judge, new_seed, quiet, ready, say, standing

pytestmark = [pytest.mark.fault, pytest.mark.timeout(2400 if FULL else 600)]

FROZEN_S = 20.0
PAUSE_MAX_S = 2.0


@dataclass(frozen=True)
class Size:
    """How much of everything. `together`: how many stages have a frozen replica at a time."""

    straight: int
    by_staff: int
    rounds: int
    together: int


SIZE = Size(2_000, 50, 3, 2) if FULL else Size(200, 10, 1, 3)


async def test_a_replica_that_wakes_up_does_nothing_twice() -> None:
    seed = new_seed()
    say(f"seed {seed}")
    history, people, rng = History(), applicants(), dice(seed, "work")
    async with (
        standing("replicas", replicas=2) as system,
        Clients(system.environment, history, dice(seed, "clients"), 240.0) as clients,
    ):
        await opened(clients, system)
        frosts = frost(system, seed)
        async with asyncio.TaskGroup() as group:
            for place in range(SIZE.by_staff):
                case = CaseWork(clients, dice(seed, place), next(people), FROZEN_S / 4)
                group.create_task(case.run(withdraws=place % 5 == 4, returned=place % 5 == 1))
            for replicas in frosts:
                share = SIZE.straight // len(frosts) // 10
                freezing = group.create_task(frozen(replicas))
                for _ in range(10):
                    group.create_task(lodge_straight(clients, people, rng, share))
                    await asyncio.sleep(rng.uniform(0, PAUSE_MAX_S))
                await freezing
        await ready(system)
        await quiet(system)
        await judge(system, history, seed)


def frost(system: LocalSystem, seed: int) -> list[list[ServiceProcess]]:
    """Which replicas freeze together, one of each stage and never both of one."""
    rng = dice(seed, "frost")
    found = []
    for _ in range(SIZE.rounds):
        order = [*STAGES]
        rng.shuffle(order)
        chosen = [system.services[rng.choice((stage, f"{stage}-2"))] for stage in order]
        found += [chosen[at : at + SIZE.together] for at in range(0, len(chosen), SIZE.together)]
    return found


async def frozen(replicas: list[ServiceProcess]) -> None:
    """Stop their clocks for a while. Their connections stay open, they answer nothing."""
    say(f"frozen: {', '.join(replica.name for replica in replicas)}")
    for replica in replicas:
        replica.freeze()
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        for replica in replicas:
            replica.thaw()
        say(f"woken: {', '.join(replica.name for replica in replicas)}")
