"""An independent reader of a topic: which cases ended, and when each of their events came."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

POLL_MS = 100
START_WITHIN_S = 30.0
STALL_S = 90.0


class Stalled(Exception):
    """Nothing more came although cases have not ended."""


@dataclass
class Seen:
    """What came since the reader began. Times are the log's own, in milliseconds."""

    records: int = 0
    duplicates: int = 0
    logged_ms: dict[str, dict[str, int]] = field(default_factory=dict)
    """Per case and type the first record's time."""
    endings: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Per case the ids of its endings: one each, by the reading rule."""
    last_end_at: float = 0.0
    """When the last new ending was seen here."""

    def note(self, case: str, headers: Mapping[str, bytes], logged_ms: int, ending: str) -> None:
        """One more record."""
        self.records += 1
        type_ = headers["ce_type"].decode()
        times = self.logged_ms.setdefault(case, {})
        if type_ in times:
            self.duplicates += 1
            logged_ms = min(logged_ms, times[type_])
        times[type_] = logged_ms
        if type_ == ending:
            self.endings[case].add(headers["ce_id"])

    def faults(self, acknowledged: Collection[str]) -> list[str]:
        """Why these cases did not end exactly once each; empty when they did."""
        wanted = set(acknowledged)
        missing = wanted - self.endings.keys()
        strangers = self.endings.keys() - wanted
        twice = [case for case, ids in self.endings.items() if len(ids) > 1]
        found = []
        if len(wanted) != len(acknowledged):
            found.append(f"{len(acknowledged) - len(wanted)} cases were acknowledged twice")
        if missing:
            found.append(f"{len(missing)} acknowledged cases did not end: {sorted(missing)[:3]}")
        if strangers:
            found.append(f"{len(strangers)} cases ended that nobody lodged here")
        if twice:
            found.append(f"{len(twice)} cases ended more than once: {twice[:3]}")
        return found


class Reader:
    """See the module; made by `reading`."""

    def __init__(self, consumer: AIOKafkaConsumer, ending: str) -> None:
        self.seen = Seen()
        self._consumer = consumer
        self._ending = ending

    async def until(self, done: Callable[[Seen], bool], within_s: float) -> None:
        """Read until `done` says so.

        Raises Stalled when nothing comes for a long time, or at the deadline.
        """
        deadline = time.monotonic() + within_s
        last = time.monotonic()
        while not done(self.seen):
            if await self._poll():
                last = time.monotonic()
            if time.monotonic() > min(deadline, last + STALL_S):
                raise Stalled(f"{len(self.seen.endings)} cases ended, then nothing more came")

    async def to_the_end(self, within_s: float) -> None:
        """Read what is in the topic by now, so that a second ending would be seen."""
        parts = sorted(self._consumer.assignment())
        ends = await self._consumer.end_offsets(parts)
        async with asyncio.timeout(within_s):
            while any([await self._consumer.position(part) < ends[part] for part in parts]):
                await self._poll()

    async def ends(self) -> dict[int, int]:
        """The offset after the last record of each partition."""
        found = await self._consumer.end_offsets(sorted(self._consumer.assignment()))
        return {part.partition: end for part, end in found.items()}

    async def _poll(self) -> bool:
        found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=5000)
        ended = len(self.seen.endings)
        for records in found.values():
            for record in records:
                case, headers = record.key.decode(), dict(record.headers)
                self.seen.note(case, headers, record.timestamp, self._ending)
        if len(self.seen.endings) > ended:
            self.seen.last_end_at = time.time()
        return bool(found)


@asynccontextmanager
async def reading(
    bootstrap: str, topic: str, partitions: int, ending: str
) -> AsyncIterator[Reader]:
    """A reader that stands at the end of the topic. It joins no group and commits nothing."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="latest",
        enable_auto_commit=False,
        fetch_max_wait_ms=POLL_MS,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    async with asyncio.timeout(START_WITHIN_S):
        await consumer.start()
    try:
        parts = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(parts)
        async with asyncio.timeout(START_WITHIN_S):
            await consumer.seek_to_end(*parts)
            for part in parts:
                await consumer.position(part)
        yield Reader(consumer, ending)
    finally:
        async with asyncio.timeout(START_WITHIN_S):
            await consumer.stop()
