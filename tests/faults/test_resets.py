"""Database sessions are ended in storms while cases run: nobody dies of it, nothing is lost."""

import asyncio

import asyncpg
import pytest

from deploy.local.environment import SERVICES
from deploy.local.system import LocalSystem
from tests.faults.clients import Clients
from tests.faults.history import History
from tests.faults.people import applicants, dice
from tests.faults.robots import CaseWork, lodge_straight, opened
from tests.faults.stand import FULL, judge, new_seed, quiet, say, standing

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]

STORMS = 200 if FULL else 60
BETWEEN_MAX_S = 0.5
PER_BATCH = 5
ANSWER_WITHIN_S = 120.0
_STORM = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname IS NOT NULL AND pid <> pg_backend_pid() AND random() < 0.7
"""


async def test_a_lost_session_is_no_reason_to_die() -> None:
    seed = new_seed()
    say(f"seed {seed}")
    history, people, rng = History(), applicants(), dice(seed, "work")
    async with (
        standing("resets") as system,
        Clients(system.environment, history, dice(seed, "clients"), ANSWER_WITHIN_S) as clients,
    ):
        await opened(clients, system)
        before = pids(system)
        async with asyncio.TaskGroup() as group:
            for place in range(5):
                case = CaseWork(clients, dice(seed, place), next(people), 3.0)
                group.create_task(case.run(withdraws=place == 4, returned=place == 1))
            for _ in range(STORMS):
                group.create_task(lodge_straight(clients, people, rng, PER_BATCH))
                await asyncio.sleep(rng.uniform(0, BETWEEN_MAX_S))
                await storm(system)
        await quiet(system)
        assert pids(system) == before, "a service ended by itself"
        await judge(system, history, seed)


def pids(system: LocalSystem) -> dict[str, int | None]:
    """Who runs; None: nobody under that name any more."""
    services = {name: system.services[name].child for name in SERVICES}
    return {name: child.pid if child.alive else None for name, child in services.items()}


async def storm(system: LocalSystem) -> None:
    """End most sessions, at whatever moment they are."""
    connection = await asyncpg.connect(system.postgres.url("postgres"), timeout=10)
    try:
        await connection.fetchval(_STORM)
    finally:
        await connection.close()
