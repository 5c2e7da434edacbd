"""Real cases as they stand in the topic: what the bare relays carry instead of events of theirs."""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events.envelope import canonical, from_headers

READ_WITHIN_S = 60.0


@dataclass(frozen=True)
class Told:
    """One record of a real case, with the attributes as the journal keeps them."""

    source: str
    type: str
    sequence: int
    headers: Sequence[tuple[str, bytes]]
    attributes: str
    value: bytes


Sample = Sequence[Told]
"""The records of one case in their order."""


async def take(
    bootstrap: str, topic: str, cases: set[str], ends: Mapping[int, int]
) -> list[Sample]:
    """What these cases say in a topic, each event once. Raises TimeoutError."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    found: dict[str, dict[bytes, Told]] = {case: {} for case in cases}
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in ends])
        remaining = {partition for partition, end in ends.items() if end > 0}
        async with asyncio.timeout(READ_WITHIN_S):
            while remaining:
                for part, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        mine = found.get(record.key.decode())
                        if mine is not None:
                            headers = dict(record.headers)
                            mine.setdefault(headers["ce_id"], _told(record.headers, record.value))
                    if records and records[-1].offset >= ends[part.partition] - 1:
                        remaining.discard(part.partition)
    finally:
        await consumer.stop()
    return [list(told.values()) for told in found.values()]


def _told(headers: Sequence[tuple[str, bytes]], value: bytes) -> Told:
    attributes = from_headers(headers)
    return Told(
        source=attributes["source"],
        type=attributes["type"],
        sequence=int(attributes["sequence"]),
        headers=headers,
        attributes=canonical(attributes),
        value=value,
    )


def write(file: Path, samples: Sequence[Sample]) -> None:
    """For the relays' processes."""
    file.write_text(json.dumps([[_packed(told) for told in sample] for sample in samples]))


def read(file: Path) -> list[Sample]:
    """What `write` wrote."""
    return [[_unpacked(told) for told in sample] for sample in json.loads(file.read_text())]


def hops(sample: Sample) -> list[str]:
    """The stages that a case passed, in its order: each is a hop of the relays."""
    return list(dict.fromkeys(told.source for told in sample))


def of_hop(sample: Sample, hop: int) -> Sample:
    """What one stage told."""
    source = hops(sample)[hop]
    return [told for told in sample if told.source == source]


def bytes_of(sample: Sample) -> int:
    """Keys, headers and values of a case as the client hands them to Kafka."""
    return sum(
        36 + len(told.value) + sum(len(name) + len(value) for name, value in told.headers)
        for told in sample
    )


def _packed(told: Told) -> dict[str, object]:
    return {
        "source": told.source,
        "type": told.type,
        "sequence": told.sequence,
        "headers": [[name, base64.b64encode(value).decode()] for name, value in told.headers],
        "attributes": told.attributes,
        "value": told.value.decode(),
    }


def _unpacked(told: dict[str, object]) -> Told:
    headers = told["headers"]
    assert isinstance(headers, list)
    return Told(
        source=str(told["source"]),
        type=str(told["type"]),
        sequence=int(str(told["sequence"])),
        headers=[(name, base64.b64decode(value)) for name, value in headers],
        attributes=str(told["attributes"]),
        value=str(told["value"]).encode(),
    )
