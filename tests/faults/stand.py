"""A whole system of a test's own: its folder and ports, its end, and what it says when it fails."""

import asyncio
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from deploy.local.environment import SERVICES, STAGES, LocalEnvironment
from deploy.local.ports import DISTANCES, REPLICA_DISTANCE, free_ports, is_free
from deploy.local.settings import LocalSettings
from deploy.local.system import LocalSystem, remove
from shared.errors import Unavailable
from shared.messaging.log import open_log
from shared.messaging.topics import TOPICS
from tests.faults.evidence import collect
from tests.faults.history import History
from tests.faults.invariants import told, violations
from tests.faults.reading import read

FULL = os.environ.get("QYZMET_FAULTS") == "full"
"""Whether to run in full size; otherwise in a size for every commit."""
LOG_LINES = 25
QUIET_WITHIN_S = 600.0 if FULL else 180.0
LOOK_EVERY_S = 0.5


def new_seed() -> int:
    """The seed of a run: a new one, unless QYZMET_FAULTS_SEED repeats an earlier one."""
    return int(os.environ.get("QYZMET_FAULTS_SEED") or secrets.randbelow(1_000_000))


@asynccontextmanager
async def standing(what: str, *, replicas: int = 1) -> AsyncIterator[LocalSystem]:
    """All processes, ready; ended and removed afterwards. A failure shows the ends of the logs."""
    settings = LocalSettings(folder=_folder(what), port_base=_free_base(), replicas=replicas)
    system = LocalSystem(settings)
    try:
        await asyncio.to_thread(system.start)
        yield system
    except BaseException:
        show_logs(system)
        raise
    finally:
        await asyncio.to_thread(_end, system)


def show_logs(system: LocalSystem) -> None:
    """The last lines of every process; pytest shows them with the failure."""
    for part in system.parts:
        say(f"---- {part.child.name} (alive: {part.alive})\n{part.child.last_words(LOG_LINES)}")


def say(text: str) -> None:
    """Something for whoever reads a failure, or runs with -s."""
    print(time.strftime("%X"), text, flush=True)  # noqa: T201 - pytest shows it with a failure


async def quiet(system: LocalSystem, within_s: float = QUIET_WITHIN_S) -> None:
    """Wait until nothing is left to publish, to read, to send or to decide.

    Returns at the deadline, too: the invariants then say what was still to do.
    """
    deadline = time.monotonic() + within_s
    still = "nobody asked"
    while time.monotonic() < deadline:
        try:
            still = await to_do(system.environment)
        except (OSError, Unavailable, asyncpg.PostgresError, TimeoutError) as fault:
            still = f"not to be asked: {fault!r}"
        if not still:
            return
        await asyncio.sleep(LOOK_EVERY_S)
    say(f"not quiet after {within_s:g} s: {still}")


async def to_do(environment: LocalEnvironment) -> str:
    """What keeps the system from being quiet, in words; empty when it is."""
    async with open_log(environment.kafka, [topic.name for topic in TOPICS]) as log:
        ends = await log.ends()
    connection = await asyncpg.connect(environment.database_url, timeout=10)
    try:
        for stage in STAGES:
            for table in ("outbox", "errands"):
                waiting = await connection.fetchval(f"SELECT count(*) FROM {stage}.{table}")
                if waiting:
                    return f"{stage} has {waiting} rows in {table}"
        running = await connection.fetchval("SELECT count(claim) FROM intake.cases")
        if running:
            return f"{running} cases run"
        for service in SERVICES:
            rows = await connection.fetch(f"SELECT topic, partition, next FROM {service}.offsets")
            reached = {(row["topic"], row["partition"]): row["next"] for row in rows}
            behind = {part: end for part, end in ends.items() if reached.get(part, 0) < end}
            if behind:
                return f"{service} has not read {behind}"
    finally:
        await connection.close()
    return ""


async def judge(system: LocalSystem, history: History, seed: int, **marks: bool) -> None:
    """Everything that has to hold, holds."""
    evidence = await collect(system.environment, history, **marks)
    reading = read(evidence.log)
    facts = sum(map(len, reading.cases.values()))
    say(f"{len(reading.cases)} cases, {facts} facts, {reading.duplicates} duplicates in the log")
    found = violations(evidence)
    assert not found, f"seed {seed}: {told(found)}"


async def read_by_all(system: LocalSystem, topic: str, partition: int, offset: int) -> None:
    """Wait until every service has read a place of the log."""
    deadline = time.monotonic() + QUIET_WITHIN_S
    connection = await asyncpg.connect(system.environment.database_url, timeout=10)
    query = "SELECT next FROM {}.offsets WHERE topic = $1 AND partition = $2"
    try:
        for service in SERVICES:
            while (
                await connection.fetchval(query.format(service), topic, partition) or 0
            ) <= offset:
                assert time.monotonic() < deadline, f"{service} does not read {topic}"
                await asyncio.sleep(LOOK_EVERY_S / 5)
    finally:
        await connection.close()


async def ready(system: LocalSystem, within_s: float = 120.0) -> None:
    """Wait until every process says that it can be used; one that died by itself fails."""
    await asyncio.gather(*(asyncio.to_thread(part.wait_ready, within_s) for part in system.parts))


def _folder(what: str) -> Path:
    """One that Postgres's account can walk through, when we are root."""
    folder = Path(tempfile.mkdtemp(prefix=f"qyzmet-{what}-"))
    folder.chmod(0o711)
    return folder


def _end(system: LocalSystem) -> None:
    try:
        system.stop()
    finally:
        if os.environ.get("QYZMET_FAULTS_KEEP"):
            say(f"kept: {system.folder}")
        elif system.postgres.folder.exists():
            remove(system.folder)
        else:
            shutil.rmtree(system.folder)  # it never came so far


def _free_base() -> int:
    """A first port with all the others free behind it, those of the second replicas too."""
    while True:
        base = free_ports(1)[0]
        distances = [*DISTANCES.values(), *(each + REPLICA_DISTANCE for each in DISTANCES.values())]
        if all(is_free(base + distance) for distance in distances):
            return base
