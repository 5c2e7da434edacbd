"""What the driver is to the system, this is to the bare relays: it sends the applications in."""

import argparse
import asyncio
import time
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from shared.identifiers import new_id
from tests.load.applications import batches
from tests.load.companions import say, wait_for_word

STOP_WITHIN_S = 30.0


async def feed(kafka: str, topic: str, cases: list[str], bodies: list[bytes]) -> dict[str, Any]:
    """One record a case; when it began and ended, and what it cost here."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=256 * 1024,
        linger_ms=1,
    )
    await producer.start()
    try:
        began, cpu = time.time(), time.process_time()
        acks = [
            await producer.send(topic, body, key=case.encode())
            for case, body in zip(cases, bodies, strict=True)
        ]
        async with asyncio.timeout(STOP_WITHIN_S):
            await asyncio.gather(*acks)
        return {
            "began": began,
            "ended": time.time(),
            "cpu_s": time.process_time() - cpu,
            "acknowledged": cases,
        }
    finally:
        async with asyncio.timeout(STOP_WITHIN_S):
            await producer.stop()


def main() -> None:
    """Make the applications, say so, wait for the word, send."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kafka")
    parser.add_argument("topic")
    for number in ("first", "count"):
        parser.add_argument(number, type=int)
    given = parser.parse_args()
    bodies = batches(given.first, given.count, size=1)
    cases = [str(new_id()) for _ in bodies]
    say("ready")
    if wait_for_word():
        say(uvloop.run(feed(given.kafka, given.topic, cases, bodies)))


if __name__ == "__main__":
    main()
