"""The files in which a broker keeps a partition: read, and written anew, without the broker."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from services.casebook.evidence import Damage, Flaw, LogRecord

CHECKSUMMED_FROM = 17
"""The bytes of a batch from here on (its checksum first) are covered by the checksum."""
_LENGTH_AT = 8
_HEAD = 12


def segment_of(data: Path, topic: str, partition: int) -> Path:
    """Where a broker keeps the first records of a partition."""
    return data / f"{topic}-{partition}" / f"{0:020d}.log"


def batches_in(segment: bytes) -> list[tuple[int, int]]:
    """Where each batch begins and ends."""
    found, at = [], 0
    while at + _HEAD <= len(segment):
        length = int.from_bytes(segment[at + _LENGTH_AT : at + _HEAD])
        if length == 0:  # a broker makes its files longer than what is in them
            break
        found.append((at, at + _HEAD + length))
        at += _HEAD + length
    return found


def read(topic: str, partition: int, segment: bytes) -> Iterator[list[LogRecord] | Damage]:
    """What a client gets of it: records, and damage where a batch does not keep its checksum."""
    following = 0
    for start, end in batches_in(segment):
        records: Any = MemoryRecords(segment[start:end])
        batch = records.next_batch()
        if not batch.validate_crc():
            last = batch.base_offset + int.from_bytes(segment[start + 23 : start + 27])
            yield Damage(topic, partition, following, last, Flaw.DAMAGED)
            following = last + 1
            continue
        found = [
            LogRecord(
                topic, partition, each.offset, each.key, tuple(each.headers), each.value,
                each.timestamp,
            )
            for each in batch
        ]  # fmt: skip
        if found[0].offset > following:
            yield Damage(topic, partition, following, found[0].offset - 1, Flaw.HOLE)
        following = found[-1].offset + 1
        yield found


def written(records: Sequence[LogRecord]) -> bytes:
    """A batch for each record, whole and with its checksum."""
    return b"".join(map(_batch, records))


def _batch(record: LogRecord) -> bytes:
    builder: Any = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1,
        base_sequence=-1, batch_size=1 << 20,
    )  # fmt: skip
    builder.append(0, record.timestamp, record.key, record.value, list(record.headers))
    # A producer counts from 0; the broker puts the place in, outside of what is checksummed.
    return record.offset.to_bytes(8) + bytes(builder.build())[8:]
