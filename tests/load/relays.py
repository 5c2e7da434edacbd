"""The bare relays' phases: the same hops through the same broker and database, without any logic.

Five processes, one topic of as many partitions as the real one, real cases' records. The first hop
reads what the feeder sends; each of the others waits for the last record of the one before.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.system import LocalSystem
from tests.load.companions import companion
from tests.load.measured import Measured
from tests.load.phase import POST_WITHIN_S, READY_WITHIN_S, Plan, observe
from tests.load.samples import Sample, hops, write
from tests.load.straight import PARTITIONS

INPUT, OUTPUT = "bench-applications", "bench-events"
DATABASE = "bench"
SETTLE_S = 1.0
ADMIN_WITHIN_S = 60.0

# What a stage's journal has; its outbox, published places, cases and chain are logic of ours.
TABLES = """
CREATE TABLE journal_{hop} (
    position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id     uuid        NOT NULL,
    sequence    integer     NOT NULL,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    attributes  text        NOT NULL,
    data        text        NOT NULL,
    hash        text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (case_id, sequence)
);
CREATE TABLE offsets_{hop} (partition smallint PRIMARY KEY, next bigint NOT NULL);
"""


@dataclass(frozen=True)
class Ground:
    """What both relays run on: topics, tables, and real cases in a file."""

    kafka: str
    database_url: str
    samples: Path
    hops: list[str]
    ending: str


async def prepare(system: LocalSystem, samples: list[Sample]) -> Ground:
    """Make all that once."""
    file = system.folder / "samples.json"
    write(file, samples)
    names = hops(samples[0])
    admin = AIOKafkaAdminClient(bootstrap_servers=system.broker.bootstrap)
    async with asyncio.timeout(ADMIN_WITHIN_S):
        await admin.start()
        try:
            settings = {"message.timestamp.type": "LogAppendTime"}
            await admin.create_topics(
                [NewTopic(name, PARTITIONS, 1, topic_configs=settings) for name in (INPUT, OUTPUT)]
            )
            while not await _all_led(admin):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
        finally:
            await admin.close()
    await asyncio.to_thread(system.postgres.create_database, DATABASE)
    url = system.postgres.url(DATABASE)
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for hop in range(len(names)):
            await connection.execute(TABLES.format(hop=hop))
    finally:
        await connection.close()
    return Ground(system.broker.bootstrap, url, file, names, samples[0][-1].type)


async def relayed(
    system: LocalSystem, ground: Ground, first: int, cases: int, *, durable: bool, warm: int
) -> Measured:
    """Run one of the two: a short warm-up, then the measurement.

    Raises Unsound, Stalled, Silent.
    """
    async with AsyncExitStack() as stack:
        pids = {"broker": system.broker.child.pid, "postgres": system.postgres.child.pid}
        if not durable:
            del pids["postgres"]
        running = {}
        for hop, name in enumerate(ground.hops):
            arguments = _arguments(ground, hop, durable=durable)
            running[name] = await stack.enter_async_context(
                companion(f"hop {name}", "tests.load.hop", arguments)
            )
        for name, hop_process in running.items():
            await hop_process.hear(READY_WITHIN_S)
            pids[name] = hop_process.pid
        phase = "durable" if durable else "raw"
        ended = [asyncio.create_task(hop.hear(POST_WITHIN_S)) for hop in running.values()]
        try:
            await _while_all_run(observe(_plan(phase, ground, pids, first, warm)), ended)
            plan = _plan(phase, ground, pids, first + warm, cases)
            return await _while_all_run(observe(plan), ended)
        finally:
            for task in ended:
                task.cancel()


async def _while_all_run(
    observed: Coroutine[Any, Any, tuple[Measured, Any]], ended: list[asyncio.Task[Any]]
) -> Measured:
    """The measurement; Silent as soon as one of the hops has ended."""
    observing = asyncio.create_task(observed)
    try:
        done, _ = await asyncio.wait({observing, *ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {observing}:
            task.result()
        measured, _ = await observing
        return measured
    finally:
        observing.cancel()


async def _all_led(admin: AIOKafkaAdminClient) -> bool:
    described = await admin.describe_topics([INPUT, OUTPUT])
    leaders = [part["leader"] for topic in described for part in topic["partitions"]]
    return len(leaders) == 2 * PARTITIONS and min(leaders) >= 0


def _arguments(ground: Ground, hop: int, *, durable: bool) -> list[str]:
    given = {
        "kafka": ground.kafka,
        "samples": str(ground.samples),
        "input": INPUT,
        "output": OUTPUT,
        "hop": str(hop),
        "partitions": str(PARTITIONS),
    }
    if durable:
        given["database"] = ground.database_url
    return [part for name, value in given.items() for part in (f"--{name}", value)]


def _plan(phase: str, ground: Ground, pids: Mapping[str, int], first: int, cases: int) -> Plan:
    return Plan(
        phase=phase,
        kafka=ground.kafka,
        topic=OUTPUT,
        partitions=PARTITIONS,
        ending=ground.ending,
        driver="tests.load.feeder",
        arguments=[ground.kafka, INPUT, str(first), str(cases)],
        pids=pids,
        settled=_quiet,
    )


async def _quiet(_ends: Mapping[int, int]) -> None:
    """Whoever is not done by the last ending has only foreign records left to pass over."""
    await asyncio.sleep(SETTLE_S)
