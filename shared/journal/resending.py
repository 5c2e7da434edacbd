"""Facts of the journals sent again, for an operator who mends the log while no stage runs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.journal.publication import Published
from shared.journal.sending import send_round, start_producer, stop_producer

ROUND_MAX: Final = 500

Resend = Callable[[Sequence[asyncpg.Record]], Awaitable[list[Published]]]
"""Sends rows (`position`, `case_id`, `attributes`, `data`) in their order; where each stands now.

Raises Unavailable when any was not acknowledged: some of them may be in the log then.
"""


@asynccontextmanager
async def resending(bootstrap: str) -> AsyncIterator[Resend]:
    """A producer for the time of a block. Raises Unavailable."""
    try:
        producer = await start_producer(bootstrap)
    except (KafkaError, TimeoutError) as fault:
        raise Unavailable(f"the broker cannot be reached: {type(fault).__name__}") from fault

    async def resend(rows: Sequence[asyncpg.Record]) -> list[Published]:
        places: list[Published] = []
        try:
            for start in range(0, len(rows), ROUND_MAX):
                sent = await send_round(producer, rows[start : start + ROUND_MAX])
                places += [place for _, place in sent]
        except (KafkaError, TimeoutError) as fault:
            raise Unavailable(f"the log did not take a fact: {type(fault).__name__}") from fault
        return places

    try:
        yield resend
    finally:
        await stop_producer(producer)
