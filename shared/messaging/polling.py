"""Many records at once, each opened while it is at hand.

A record as the client gives it is some forty small objects, most of them headers. Two thousand
unpacked first and read afterwards have left the processor's own cache twice; a hundred have not.
"""

from collections.abc import Callable
from itertools import chain
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord

T = TypeVar("T")

AT_ONCE: Final = 100
"""So many records are unpacked and opened before the next."""


async def polled(
    consumer: AIOKafkaConsumer,
    wait_ms: int,
    most: int,
    opened: Callable[[list[ConsumerRecord]], list[T]],
) -> list[T]:
    """Up to `most` records, in order within each partition; empty when none came in `wait_ms`."""
    found: list[T] = []
    while (room := most - len(found)) > 0:
        some = await consumer.getmany(timeout_ms=wait_ms, max_records=min(room, AT_ONCE))
        if not some:
            break
        found += opened(list(chain.from_iterable(some.values())))
        wait_ms = 0
    return found
