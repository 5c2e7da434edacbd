"""The log in the order of its cases, however long it is: sorted on disk, in memory always the same.

A case's facts lie scattered over its partition. Who judges a case needs all of them at once, and
cannot keep those of all cases. So records are sorted in runs that fit into memory, each run is
written to a folder, and the runs are merged. What is written is what the log holds: personal data
in it are sealed. The folder is its owner's alone and goes with the sorting.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final, Self
from uuid import UUID

import msgspec

from services.casebook.arrivals import case_of
from services.casebook.evidence import LogRecord
from shared.identifiers import CaseId

RUN_BYTES_MAX: Final = 32 * 1024 * 1024
_READ_BYTES: Final = 64 * 1024
_LENGTH_BYTES: Final = 4
_RECORD_BYTES: Final = 250
"""What a record takes in memory beside its own bytes, about."""

_Written = tuple[bytes, bytes]
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(LogRecord)


class CaseOrder:
    """See the module. A context: what it has on disk goes when it ends."""

    def __init__(self, run_bytes_max: int = RUN_BYTES_MAX) -> None:
        self.records = 0
        self._folder = tempfile.TemporaryDirectory(prefix="qyzmet-audit-")
        self._run_bytes_max = run_bytes_max
        self._run: list[_Written] = []
        self._run_bytes = 0
        self._files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def take(self, record: LogRecord) -> None:
        """One more record, in whatever order."""
        written = _ENCODER.encode(record)
        self._run.append((_place_of(record), written))
        self.records += 1
        self._run_bytes += len(written) + _RECORD_BYTES
        if self._run_bytes > self._run_bytes_max:
            self._spill()

    def cases(self) -> Iterator[tuple[CaseId, list[LogRecord]]]:
        """Every case with its records in the order of the log, once all are taken."""
        self._run.sort()
        runs: list[Iterable[_Written]] = [_read(file) for file in self._files]
        merged = heapq.merge(*runs, self._run)
        for case_id, written in groupby(merged, key=_case_in):
            yield CaseId(UUID(bytes=case_id)), [_DECODER.decode(text) for _, text in written]

    def _spill(self) -> None:
        self._run.sort()
        file = Path(self._folder.name) / f"{len(self._files):05d}"
        with file.open("wb") as out:
            for place, written in self._run:
                out.write(len(written).to_bytes(_LENGTH_BYTES) + place + written)
        self._files.append(file)
        self._run, self._run_bytes = [], 0


def _place_of(record: LogRecord) -> bytes:
    """By case, then by topic, partition and offset."""
    case = _case_of_key(record.key) or case_of(record).bytes
    return b"%b%b%b" % (
        case,
        _partition(record.topic, record.partition),
        record.offset.to_bytes(_OFFSET_BYTES),
    )


@lru_cache(maxsize=16_384)
def _case_of_key(key: bytes | None) -> bytes | None:
    """Asked again and again for the same cases."""
    try:
        return UUID((key or b"").decode("ascii")).bytes
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _partition(topic: str, partition: int) -> bytes:
    return topic[:1].encode() + partition.to_bytes(2)


_OFFSET_BYTES: Final = 8
_PLACE_BYTES: Final = 16 + 1 + 2 + _OFFSET_BYTES


def _case_in(written: _Written) -> bytes:
    return written[0][:16]


def _read(file: Path) -> Iterator[_Written]:
    with file.open("rb", buffering=_READ_BYTES) as source:
        while (written := _next(source)) is not None:
            yield written


def _next(source: BinaryIO) -> _Written | None:
    head = source.read(_LENGTH_BYTES + _PLACE_BYTES)
    if not head:
        return None
    length = int.from_bytes(head[:_LENGTH_BYTES])
    return head[_LENGTH_BYTES:], source.read(length)
