"""Reading the whole log without a group: for casebook, restore, audit and the command line.

Nothing here writes, commits offsets, or can cause an effect.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.messaging.access import client_options
from shared.messaging.polling import polled
from shared.messaging.stopping import closed, started, stopped
from shared.messaging.topics import partitions_of

T = TypeVar("T")

_CONNECT_WAIT_S: Final = 20.0
_FETCH_WAIT_MS: Final = 50
_CLOSE_WAIT_S: Final = 1.0
Place = tuple[str, int]
"""A topic and a partition."""


class Log:
    """All partitions of some topics, from given offsets on. Made by `open_log`."""

    def __init__(self, consumer: AIOKafkaConsumer, places: Sequence[Place]) -> None:
        self._consumer = consumer
        self._partitions = [TopicPartition(*place) for place in places]

    async def ends(self) -> dict[Place, int]:
        """The offset after the last record of each partition, now."""
        async with _bounded("the end of the log"):
            found = await self._consumer.end_offsets(self._partitions)
        return {(part.topic, part.partition): offset for part, offset in found.items()}

    async def starts(self) -> dict[Place, int]:
        """The offset of the first record each partition still has."""
        async with _bounded("the start of the log"):
            found = await self._consumer.beginning_offsets(self._partitions)
        return {(part.topic, part.partition): offset for part, offset in found.items()}

    async def since(self, moment: datetime) -> dict[Place, int]:
        """The offset of the first record of each partition that was logged after a moment.

        The log keeps milliseconds. Where nothing was: the end.
        """
        after_ms = int(moment.timestamp() * 1000) + 1
        async with _bounded("the times of the log"):
            wanted = dict.fromkeys(self._partitions, after_ms)
            found = await self._consumer.offsets_for_times(wanted)
        ends = await self.ends()
        return {
            (part.topic, part.partition): ends[part.topic, part.partition]
            if at is None
            else at.offset
            for part, at in found.items()
        }

    def seek(self, offsets: Mapping[Place, int]) -> None:
        """Read on from these offsets; partitions not named from their first record."""
        for part in self._partitions:
            self._consumer.seek(part, offsets.get((part.topic, part.partition), 0))

    async def poll(self, wait_ms: int, most: int) -> list[ConsumerRecord]:
        """Up to `most` records, in order within each partition; empty after `wait_ms`."""
        found = await self._consumer.getmany(timeout_ms=wait_ms, max_records=most)
        return [record for records in found.values() for record in records]

    async def poll_as(
        self, wait_ms: int, most: int, opened: Callable[[list[ConsumerRecord]], list[T]]
    ) -> list[T]:
        """As `poll`, with each record opened while it is at hand."""
        return await polled(self._consumer, wait_ms, most, opened)

    def go_to(self, place: Place, offset: int) -> None:
        """Read on from an offset of one partition."""
        self._consumer.seek(TopicPartition(*place), offset)

    async def poll_of(self, place: Place, wait_ms: int, most: int) -> list[ConsumerRecord]:
        """As `poll`, of one partition. Raises whatever the client makes of a damaged batch."""
        part = TopicPartition(*place)
        found = await self._consumer.getmany(part, timeout_ms=wait_ms, max_records=most)
        return list(found.get(part, ()))

    async def read_to(
        self, ends: Mapping[Place, int], most: int = 2000
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """Batches until every partition has been read to `ends`.

        Raises Unavailable when nothing comes for 20 s although the end is not reached.
        """
        async for records in self.read_as(ends, most, list):
            yield records

    async def read_as(
        self,
        ends: Mapping[Place, int],
        most: int,
        opened: Callable[[list[ConsumerRecord]], list[T]],
    ) -> AsyncIterator[list[T]]:
        """As `read_to`, with each record opened while it is at hand."""
        idle = 0.0
        while await self._behind(ends):
            records = await self.poll_as(_FETCH_WAIT_MS, most, opened)
            if records:
                idle = 0.0
                yield records
                continue
            idle += _FETCH_WAIT_MS / 1000
            if idle > _CONNECT_WAIT_S:
                raise Unavailable("the log gave no records although its end is not reached")

    async def _behind(self, ends: Mapping[Place, int]) -> bool:
        for part in self._partitions:
            if await self._consumer.position(part) < ends.get((part.topic, part.partition), 0):
                return True
        return False


@asynccontextmanager
async def open_log(
    bootstrap: str, topics: Sequence[str], offsets: Mapping[Place, int] | None = None
) -> AsyncIterator[Log]:
    """The log from `offsets` (absent: from the first record).

    Raises Unavailable when the broker cannot be reached.
    """
    places = [(topic, partition) for topic in topics for partition in partitions_of(topic)]
    async with open_places(bootstrap, places, offsets) as log:
        yield log


@asynccontextmanager
async def open_places(
    bootstrap: str, places: Sequence[Place], offsets: Mapping[Place, int] | None = None
) -> AsyncIterator[Log]:
    """Some partitions only, otherwise like `open_log`."""
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    try:
        async with _bounded("the broker"):
            await started(consumer.start(), "log's start")
        consumer.assign([TopicPartition(*place) for place in places])
        log = Log(consumer, places)
        log.seek(offsets or {})
        yield log
    finally:
        # Over TLS the other side's good-bye was seen to take longer than the 8 s of a consumer, and
        # a stage waits for this before it reads on. Who only read has nothing to lose.
        await stopped(closed(consumer), "log", _CLOSE_WAIT_S)


@asynccontextmanager
async def _bounded(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_CONNECT_WAIT_S):
            yield
    except (TimeoutError, KafkaError) as error:
        raise Unavailable(f"{what} cannot be read: {type(error).__name__}") from error
