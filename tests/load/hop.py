"""One hop of the bare relays, in a process of its own: polls of up to 500, one round of sends.

Raw it only reads and sends. Durable it commits, once a poll, the records it will send and how far
it has read, with the tables and statements of a stage's journal, before it sends. No logic: it
repeats what real cases said, under the key of the case that came in.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared.identifiers import new_id
from tests.load.companions import say, until_closed
from tests.load.samples import Told, of_hop, read

POLL_MAX = 500
POLL_MS = 20
STOP_WITHIN_S = 10.0

RECORD = """
INSERT INTO journal_{hop}
    (case_id, sequence, event_id, event_type, attributes, data, hash, recorded_at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::timestamptz[])
"""
MOVE = """
INSERT INTO offsets_{hop} (partition, next) SELECT * FROM unnest($1::smallint[], $2::bigint[])
ON CONFLICT (partition) DO UPDATE SET next = excluded.next
"""


@dataclass(frozen=True)
class Outgoing:
    """A record to be sent, with the id that makes it one of a kind."""

    case: bytes
    event_id: UUID
    told: Told
    headers: list[tuple[str, bytes]]


class Hop:
    """See the module."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        samples = read(Path(given.samples))
        self._templates = cycle([of_hop(sample, given.hop) for sample in samples])
        self._awaits = (
            None if given.hop == 0 else of_hop(samples[0], given.hop - 1)[-1].type.encode()
        )
        self._topic = given.input if given.hop == 0 else given.output
        self._database: asyncpg.Connection[asyncpg.Record] | None = None
        self.batches = 0

    async def run(self) -> None:
        """Until the benchmark closes the pipe."""
        consumer, producer = await self._clients()
        if self._given.database:
            self._database = await asyncpg.connect(self._given.database, timeout=STOP_WITHIN_S)
        work = asyncio.create_task(self._work(consumer, producer))
        closed = asyncio.create_task(until_closed())
        gc.freeze()
        say("ready")
        await asyncio.wait({work, closed}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        work.cancel()
        async with asyncio.timeout(STOP_WITHIN_S):
            await asyncio.gather(work, return_exceptions=True)
            await producer.stop()
            await consumer.stop()

    async def _clients(self) -> tuple[AIOKafkaConsumer, AIOKafkaProducer]:
        """As the stages have them: see shared/journal, consumer and relay."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._given.kafka,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            fetch_max_wait_ms=POLL_MS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=self._given.kafka,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=256 * 1024,
            max_request_size=8 * 1024 * 1024,
            linger_ms=1,
        )
        await consumer.start()
        await producer.start()
        parts = [TopicPartition(self._topic, place) for place in range(self._given.partitions)]
        consumer.assign(parts)
        await consumer.seek_to_end(*parts)
        for part in parts:
            await consumer.position(part)
        return consumer, producer

    async def _work(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        while True:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_MAX)
            if not found:
                continue
            outgoing = [
                one
                for records in found.values()
                for record in records
                if self._concerns(record)
                for one in self._answers(record)
            ]
            if self._database is not None:
                await self._commit(self._database, found, outgoing)
            acks = [await self._send(producer, one) for one in outgoing]
            await asyncio.gather(*acks)

    def _concerns(self, record: ConsumerRecord) -> bool:
        # The headers are sorted, so the type is the last one.
        return self._awaits is None or record.headers[-1][1] == self._awaits

    def _answers(self, record: ConsumerRecord) -> list[Outgoing]:
        case = record.key
        answers = []
        for told in next(self._templates):
            event_id = new_id()
            own = {"ce_id": str(event_id).encode(), "ce_subject": case, "ce_correlationid": case}
            headers = [(name, own.get(name, value)) for name, value in told.headers]
            answers.append(Outgoing(case, event_id, told, headers))
        return answers

    async def _send(self, producer: AIOKafkaProducer, one: Outgoing) -> Any:
        return await producer.send(
            self._given.output, one.told.value, key=one.case, headers=one.headers
        )

    async def _commit(
        self,
        database: "asyncpg.Connection[asyncpg.Record]",
        found: dict[TopicPartition, list[ConsumerRecord]],
        outgoing: Sequence[Outgoing],
    ) -> None:
        now = datetime.fromtimestamp(time.time(), UTC)
        async with database.transaction():
            if outgoing:
                await database.execute(
                    RECORD.format(hop=self._given.hop),
                    [UUID(one.case.decode()) for one in outgoing],
                    [one.told.sequence for one in outgoing],
                    [one.event_id for one in outgoing],
                    [one.told.type for one in outgoing],
                    [one.told.attributes for one in outgoing],
                    [one.told.value.decode() for one in outgoing],
                    ["0" * 64 for _ in outgoing],
                    [now for _ in outgoing],
                )
            await database.execute(
                MOVE.format(hop=self._given.hop),
                [part.partition for part in found],
                [records[-1].offset + 1 for records in found.values()],
            )


def main() -> None:
    """Run one hop."""
    parser = argparse.ArgumentParser()
    for text in ("--kafka", "--samples", "--input", "--output", "--database"):
        parser.add_argument(text)
    parser.add_argument("--hop", type=int)
    parser.add_argument("--partitions", type=int)
    uvloop.run(Hop(parser.parse_args()).run())


if __name__ == "__main__":
    main()
