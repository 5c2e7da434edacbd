"""The producer of the relay: one life, one round of sends at a time, everything under a timeout."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from msgspec.json import Decoder

from shared.errors import Unavailable
from shared.events.envelope import to_headers
from shared.journal.publication import Published
from shared.journal.rows import Position
from shared.messaging.access import client_options
from shared.messaging.log import Place
from shared.messaging.stopping import started, stopped
from shared.messaging.topics import place_of

_log = structlog.get_logger()

_ATTRIBUTES: Final = Decoder(dict[str, str])
_START_WAIT_S: Final = 10.0
_ROUND_WAIT_S: Final = 10.0
_STOP_WAIT_S: Final = 3.0


async def start_producer(bootstrap: str) -> AIOKafkaProducer:
    """An idempotent producer, connected. Raises KafkaError or TimeoutError."""
    producer = AIOKafkaProducer(
        **client_options(bootstrap),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=256 * 1024,
        max_request_size=8 * 1024 * 1024,
        linger_ms=1,
        request_timeout_ms=8000,
    )
    try:
        async with asyncio.timeout(_START_WAIT_S):
            await started(producer.start(), "producer's start")
    except BaseException:
        await stop_producer(producer)
        raise
    return producer


async def send_round(
    producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]
) -> list[tuple[Position, Published]]:
    """One round of pipelined sends: all, in the order of the rows, or an exception.

    Raises KafkaError or TimeoutError when any record was not acknowledged in time.
    """
    sent: dict[int, tuple[Position, Published]] = {}
    async with asyncio.timeout(_ROUND_WAIT_S):
        batches = _batches(producer, rows)
        acks = [
            await producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), batch, _ in batches
        ]
        for ack, (_, _, members) in zip(await asyncio.gather(*acks), batches, strict=True):
            if ack.offset < 0:
                raise Unavailable("the broker acknowledged without telling the offset")
            for offset, nth in enumerate(members, ack.offset):
                place = Published(ack.topic, ack.partition, offset)
                sent[nth] = (Position(rows[nth]["position"]), place)
    return [sent[nth] for nth in range(len(rows))]


def _batches(
    producer: AIOKafkaProducer, rows: Iterable[asyncpg.Record]
) -> list[tuple[Place, BatchBuilder, list[int]]]:
    """The rows as they will lie in the log, by their numbers: by partition, each in order.

    Given to the producer one by one, a record costs twice as much.
    """
    batches: list[tuple[Place, BatchBuilder, list[int]]] = []
    fillable: dict[Place, tuple[BatchBuilder, list[int]]] = {}
    for nth, row in enumerate(rows):
        place, record = place_of(row["case_id"]), _record(row)
        if place not in fillable or fillable[place][0].append(**record) is None:  # none, or full
            fillable[place] = producer.create_batch(), []
            fillable[place][0].append(**record)
            batches.append((place, *fillable[place]))
        fillable[place][1].append(nth)
    return batches


def _record(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "key": str(row["case_id"]).encode(),
        "value": row["data"].encode(),
        "headers": to_headers(_ATTRIBUTES.decode(row["attributes"])),
        "timestamp": None,
    }


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop, but never wait long: with the broker gone `stop` may not return at all."""
    await stopped(producer.stop(), "producer", _STOP_WAIT_S)
