"""The producer of the relay: one life, one round of sends at a time, everything under a timeout."""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from msgspec.json import Decoder

from shared.errors import Unavailable
from shared.events.envelope import to_headers
from shared.identifiers import DEPARTMENT
from shared.journal.publication import Published
from shared.journal.rows import Position
from shared.messaging.stopping import stopped
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS

_log = structlog.get_logger()

_ATTRIBUTES: Final = Decoder(dict[str, str])
_START_WAIT_S: Final = 10.0
_ROUND_WAIT_S: Final = 10.0
_STOP_WAIT_S: Final = 3.0


async def start_producer(bootstrap: str) -> AIOKafkaProducer:
    """An idempotent producer, connected. Raises KafkaError or TimeoutError."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=256 * 1024,
        max_request_size=8 * 1024 * 1024,
        linger_ms=1,
        request_timeout_ms=8000,
    )
    # A start that is cancelled half-way leaves its connection open for good: let it end first.
    starting = asyncio.create_task(producer.start())
    try:
        async with asyncio.timeout(_START_WAIT_S):
            await asyncio.shield(starting)
    except BaseException:
        await stopped(_ended(starting), "producer's start", _STOP_WAIT_S)
        await stop_producer(producer)
        raise
    return producer


async def _ended(starting: "asyncio.Task[None]") -> None:
    await asyncio.wait({starting})


async def send_round(
    producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]
) -> list[tuple[Position, Published]]:
    """One round of pipelined sends: all or an exception.

    Raises KafkaError or TimeoutError when any record was not acknowledged in time.
    """
    async with asyncio.timeout(_ROUND_WAIT_S):
        acks = []
        for row in rows:
            case_id = row["case_id"]
            acks.append(
                await producer.send(
                    DEPARTMENT_EVENTS if case_id == DEPARTMENT else CASE_EVENTS,
                    row["data"].encode(),
                    key=str(case_id).encode(),
                    headers=to_headers(_ATTRIBUTES.decode(row["attributes"])),
                )
            )
        places = await asyncio.gather(*acks)
    if any(place.offset < 0 for place in places):
        raise Unavailable("the broker acknowledged without telling the offset")
    return [
        (Position(row["position"]), Published(place.topic, place.partition, place.offset))
        for row, place in zip(rows, places, strict=True)
    ]


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop, but never wait long: with the broker gone `stop` may not return at all."""
    await stopped(producer.stop(), "producer", _STOP_WAIT_S)
