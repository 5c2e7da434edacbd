"""One phase, whichever: somebody posts, the reader counts, and what all of it cost is looked up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.load.companions import Companion, companion
from tests.load.measured import Measured, times
from tests.load.reader import Reader, Seen, reading
from tests.load.usage import Usage, usage_of

READY_WITHIN_S = 180.0
POST_WITHIN_S = 3600.0
TAIL_WITHIN_S = 60.0


class Unsound(Exception):
    """The run is no measurement: what was acknowledged did not end exactly once."""


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    phase: str
    kafka: str
    topic: str
    partitions: int
    ending: str
    """The type of the event that ends a case."""
    driver: str
    """The module that posts, and what it is told."""
    arguments: Sequence[str]
    pids: Mapping[str, int]
    """The processes whose work it is."""
    settled: Callable[[Mapping[int, int]], Awaitable[None]]
    """Waits until all of them have read to these ends of the topic."""


async def observe(plan: Plan) -> tuple[Measured, dict[str, Any]]:
    """Run a phase; its numbers, and what the driver said.

    Raises Unsound, Stalled, Silent.
    """
    async with (
        reading(plan.kafka, plan.topic, plan.partitions, plan.ending) as reader,
        companion("the driver", plan.driver, plan.arguments) as driver,
    ):
        await driver.hear(READY_WITHIN_S)
        before = usage_of(plan.pids)
        driver.tell("go")
        posted = await _posted_and_ended(driver, reader)
        await plan.settled(await reader.ends())
        after = usage_of(plan.pids)
        await reader.to_the_end(TAIL_WITHIN_S)
    faults = reader.seen.faults(posted["acknowledged"])
    if posted.get("refused"):
        faults.append(f"applications were refused: {posted['refused']}")
    if faults:
        raise Unsound(f"{plan.phase}: {'; '.join(faults)}")
    return _measured(plan.phase, posted, reader.seen, before, after), posted


async def _posted_and_ended(driver: Companion, reader: Reader) -> dict[str, Any]:
    """Read on until the driver has ended and so has every case that it was promised."""
    posting = asyncio.create_task(driver.hear(POST_WITHIN_S))

    def done(seen: Seen) -> bool:
        return posting.done() and len(seen.endings) >= len(posting.result()["acknowledged"])

    try:
        await reader.until(done, POST_WITHIN_S)
        posted: dict[str, Any] = await posting
        return posted
    finally:
        posting.cancel()


def _measured(
    phase: str, posted: Mapping[str, Any], seen: Seen, before: Usage, after: Usage
) -> Measured:
    cases = len(posted["acknowledged"])
    cpu_ms = {name: s * 1000 / cases for name, s in after.since(before).items()}
    cpu_ms["driver"] = posted["cpu_s"] * 1000 / cases
    whole, reached = times(seen.logged_ms)
    return Measured(
        phase=phase,
        cases=cases,
        seconds=seen.last_end_at - posted["began"],
        cpu_ms=cpu_ms,
        others_cpu_s=max(0.0, after.others_since(before) - posted["cpu_s"]),
        latency_ms=whole,
        reached_ms=reached,
        records=seen.records,
    )
