"""Reading the log record by record for an audit: what cannot be read is named, and passed over.

Partition by partition, so that a batch which the broker gives and nobody can read is known by its
place. In a log that only grows, offsets have no holes: one that is left out was taken away.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

from aiokafka import ConsumerRecord

from shared.errors import Unavailable
from shared.messaging.log import Log, Place
from shared.messaging.polling import AT_ONCE

_POLL_MS: Final = 50
_IDLE_S_MAX: Final = 20.0


class Missing(NamedTuple):
    """Records from `first` to `last` that cannot be had."""

    topic: str
    partition: int
    first: int
    last: int
    damaged: bool
    """They are there, and nobody can read them; otherwise they are not there."""


async def scan(
    log: Log, begins: Mapping[Place, int], ends: Mapping[Place, int]
) -> AsyncIterator[list[ConsumerRecord] | Missing]:
    """Everything between `begins` and `ends`, in the order of each partition.

    Raises Unavailable when nothing comes for 20 s although the end is not reached.
    """
    for place, end in sorted(ends.items()):
        following = begins.get(place, 0)
        log.go_to(place, following)
        while following < end:
            records = await _next(log, place, AT_ONCE)
            if records is None:
                log.go_to(place, following)
                async for found in _around(log, place, following, end):
                    yield found
                    following = found.last + 1 if isinstance(found, Missing) else following + 1
                continue
            for hole in _holes(records, following):
                yield hole
            following = records[-1].offset + 1
            yield [record for record in records if record.offset < end]


async def _around(
    log: Log, place: Place, following: int, end: int
) -> AsyncIterator[list[ConsumerRecord] | Missing]:
    """One by one up to what cannot be read, and over it to the next that can."""
    while (records := await _next(log, place, 1)) is not None and records:
        if records[0].offset != following:  # what is not there is told by the caller
            log.go_to(place, following)
            return
        yield records
        following += 1
        if following >= end:
            return
    first = following
    while following < end:
        following += 1
        log.go_to(place, following)
        if following < end and await _next(log, place, 1) is not None:
            break
    log.go_to(place, following)
    yield Missing(*place, first, following - 1, damaged=True)


async def _next(log: Log, place: Place, most: int) -> list[ConsumerRecord] | None:
    """The next records of a partition; None when they cannot be read."""
    idle_s = 0.0
    while idle_s < _IDLE_S_MAX:
        try:
            records = await log.poll_of(place, _POLL_MS, most)
        except Exception:  # noqa: BLE001 - whatever is wrong with a batch, the audit names it
            return None
        if records:
            return records
        idle_s += _POLL_MS / 1000
    raise Unavailable("the log gave no records although its end is not reached")


def _holes(records: list[ConsumerRecord], following: int) -> list[Missing]:
    found = []
    for record in records:
        if record.offset > following:
            place = (record.topic, record.partition)
            found.append(Missing(*place, following, record.offset - 1, damaged=False))
        following = record.offset + 1
    return found
