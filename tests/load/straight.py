"""The system's own phase: applications posted in batches, run through all stages by rule."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.environment import SERVICES
from deploy.local.system import LocalSystem
from shared.events.catalogue import BY_TYPE
from shared.identifiers import Source
from shared.messaging.topics import CASE_EVENTS, partitions_of
from tests.load.department import specialist_token
from tests.load.measured import Measured
from tests.load.phase import Plan, observe
from tests.load.usage import log_bytes, memory_mb

ALL_READ_WITHIN_S = 300.0
POLL_S = 0.1
PARTITIONS = len(partitions_of(CASE_EVENTS))
ENDING = next(entry.type for entry in BY_TYPE.values() if entry.ends == "issued")

FOLDING = "SELECT schemaname FROM pg_tables WHERE tablename = 'offsets' ORDER BY 1"
BEHIND = """
SELECT coalesce(sum(ends.reached - o.next), 0)
FROM "{schema}".offsets o JOIN unnest($1::smallint[], $2::bigint[]) AS ends (partition, reached)
     USING (partition)
WHERE o.topic = $3
"""


@dataclass(frozen=True)
class Load:
    """How much is posted, and how. `first` is the first person's number: nobody applies twice."""

    first: int
    cases: int
    batch: int = 500
    connections: int = 4


async def straight_through(system: LocalSystem, load: Load) -> tuple[Measured, list[str]]:
    """Post, wait for the end of every case, count; the numbers, and the cases.

    Raises Unsound, Stalled, Silent.
    """
    environment = system.environment
    pids = {name: system.services[name].child.pid for name in SERVICES}
    pids |= {"broker": system.broker.child.pid, "postgres": system.postgres.child.pid}
    numbers = (load.first, load.cases, load.batch, load.connections)
    token = await asyncio.to_thread(specialist_token, environment.url("issuer"))

    async def settled(ends: Mapping[int, int]) -> None:
        await all_read(environment.database_url, ends)

    plan = Plan(
        phase="ours",
        kafka=environment.kafka,
        topic=CASE_EVENTS,
        partitions=PARTITIONS,
        ending=ENDING,
        driver="tests.load.driver",
        arguments=[environment.url("intake"), token, *map(str, numbers)],
        pids=pids,
        settled=settled,
    )
    disk, batches = await _disk(system), await _batches(system)
    measured, posted = await observe(plan)
    details = _grown(disk, await _disk(system), measured.cases)
    details |= _means(batches, await _batches(system))
    details |= {f"memory of {name}, MB": memory_mb(pids[name]) for name in SERVICES}
    details |= _of_driver(posted)
    return replace(measured, details=details), posted["acknowledged"]


async def all_read(database_url: str, ends: Mapping[int, int]) -> None:
    """Until every stage and casebook have read so far. Raises TimeoutError."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        schemas = [row["schemaname"] for row in await connection.fetch(FOLDING)]
        arguments = (list(ends), list(ends.values()), CASE_EVENTS)
        async with asyncio.timeout(ALL_READ_WITHIN_S):
            for schema in schemas:
                behind = BEHIND.format(schema=schema)
                while await connection.fetchval(behind, *arguments) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
    finally:
        await connection.close()


async def _disk(system: LocalSystem) -> dict[str, float]:
    """Bytes that cases have taken so far."""
    environment = system.environment
    found: dict[str, float] = {"topic": log_bytes(system.broker.folder / "data", CASE_EVENTS)}
    for name, url in (("postgres", environment.database_url), ("keys", environment.privacy_url)):
        connection = await asyncpg.connect(url, timeout=10)
        try:
            found[name] = await connection.fetchval("SELECT pg_database_size(current_database())")
        finally:
            await connection.close()
    return found


def _grown(before: Mapping[str, float], after: Mapping[str, float], cases: int) -> dict[str, float]:
    return {f"bytes a case: {name}": (after[name] - before[name]) / cases for name in after}


async def _batches(system: LocalSystem) -> dict[str, tuple[float, float]]:
    """Per stage how many batches it has read, and how many records."""
    found = {}
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for stage in Source:
            text = (await client.get(f"{system.services[stage.value].url}/metrics")).text
            values = {
                sample.name: sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if not sample.labels
            }
            count = values.get("qyzmet_batch_size_count", 0.0)
            found[stage.value] = (count, values.get("qyzmet_batch_size_sum", 0.0))
    return found


def _means(
    before: Mapping[str, tuple[float, float]], after: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    return {
        f"records in a batch of {stage}, mean": (after[stage][1] - before[stage][1])
        / max(1.0, after[stage][0] - before[stage][0])
        for stage in after
    }


def _of_driver(posted: Mapping[str, Any]) -> dict[str, float]:
    answer_s = posted["answer_s"]
    return {
        "answer to a batch, s, median": answer_s[len(answer_s) // 2],
        "answer to a batch, s, longest": answer_s[-1],
        "batches posted again": posted["again"],
        "posting took, s": posted["ended"] - posted["began"],
    }
