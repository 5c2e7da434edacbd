"""Whether the journals and the log tell the same (D1 c): pure, rows and records in, findings out.

The log is read first, up to its ends of that moment, then the journals: so on a running system a
journal may know more than the log that was read, and never less. Rows that stand beyond those ends
are looked for in a second reading of the log's tail.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.casebook.evidence import Finding, Findings, Flaw, Key, LogRecord, Recorded, Told
from shared.events.envelope import (
    GENESIS,
    Envelope,
    MalformedEnvelope,
    canonical,
    chain_hash,
    from_headers,
    to_headers,
)
from shared.identifiers import DEPARTMENT, Source
from shared.messaging.log import Place
from shared.messaging.topics import DEPARTMENT_EVENTS


class LogLedger:
    """The facts of the log by the reading rule (D4), each with the place of its first record."""

    def __init__(self, findings: Findings) -> None:
        self.facts: dict[Key, Told] = {}
        self.duplicates = 0
        self._findings = findings

    def take(self, record: LogRecord) -> None:
        """One more record, in the order of its partition."""
        try:
            attributes = from_headers(record.headers)
            envelope = Envelope.from_attributes(attributes)
            fault = _misfit(record, attributes, envelope)
        except MalformedEnvelope as malformed:
            self._findings.add(Finding(Flaw.UNREADABLE, record=record.name, found=str(malformed)))
            return
        key = (envelope.source, envelope.case_id, envelope.sequence)
        if fault is not None:
            self._findings.add(Finding(Flaw.UNREADABLE, *key, record=record.name, found=fault))
            return
        digest = chain_hash(canonical(attributes), record.value or b"")
        place = (record.topic, record.partition, record.offset)
        first = self.facts.get(key)
        if first is None:
            self.facts[key] = Told(
                envelope.event_id.bytes,
                bytes.fromhex(digest),
                envelope.prev_hash.encode(),
                place,
            )
        elif first.event_id != envelope.event_id.bytes:
            self._contradicts(Flaw.CONTRADICTION, key, record, first, str(envelope.event_id))
        elif first.digest != bytes.fromhex(digest):
            self._contradicts(Flaw.OTHER_WORDS, key, record, first, digest)
        else:
            self.duplicates += 1
            first.copies += (place,)

    def conclude(self) -> None:
        """Once all is taken: no gaps, and each fact carries the hash of the one before."""
        for key, told in self.facts.items():
            source, case_id, sequence = key
            before = self.facts.get((source, case_id, sequence - 1))
            if before is None and sequence > 1:
                expected = f"sequence {sequence - 1} before it"
                self._findings.add(
                    Finding(Flaw.LOG_GAP, *key, told.name, expected=expected, found="nothing")
                )
                continue
            expected = GENESIS if before is None else before.digest.hex()
            if told.previous.decode() != expected:
                self._findings.add(
                    Finding(
                        Flaw.LOG_CHAIN,
                        *key,
                        told.name,
                        expected=f"prevhash {expected}",
                        found=told.previous.decode()[:64],
                    )
                )

    def _contradicts(
        self, flaw: Flaw, key: Key, record: LogRecord, first: Told, found: str
    ) -> None:
        expected = f"what stands at {first.name} ({first.event_id.hex()})"
        self._findings.add(Finding(flaw, *key, record.name, expected=expected, found=found))


@dataclass
class JournalCounts:
    """How much of one stage was compared."""

    rows: int = 0
    newer: int = 0
    """Recorded or published after the comparison began: not judged."""
    in_log: int = 0


class JournalReader:
    """The rows of one stage's journal, in the order of (case, sequence), against the ledger.

    What the ledger holds and no journal has remains in `ledger.facts` at the end.
    """

    def __init__(
        self, ledger: LogLedger, findings: Findings, ends: Mapping[Place, int], began: datetime
    ) -> None:
        self.counts = JournalCounts()
        self._ledger = ledger
        self._findings = findings
        self._ends = ends
        self._began = began
        self._beyond: list[tuple[Recorded, str]] = []
        self._before: tuple[UUID | None, int, str] = (None, 0, GENESIS)

    def take(self, row: Recorded) -> None:
        """One more row."""
        self.counts.rows += 1
        digest = row.digest
        self._check_itself(row, digest)
        self._check_published(row, digest)

    @property
    def is_settled(self) -> bool:
        """Whether no row stands beyond the ends of the log that was read."""
        return not self._beyond

    def settle(self, tail: LogLedger) -> None:
        """Judge the rows that stand beyond those ends, by what the log's tail says now."""
        for row, digest in self._beyond:
            told = tail.facts.get(row.key)
            if told is None:
                expected = f"a record at {row.topic} {row.partition}:{row.offset}"
                self._add(Flaw.LOST, row, expected, "the log ends before it")
            elif told.digest.hex() != digest:
                self._add(Flaw.DIFFERS, row, f"hash {digest}", told.digest.hex(), told)
            else:
                self.counts.newer += 1
        self._beyond = []

    def _check_itself(self, row: Recorded, digest: str) -> None:
        case_id, sequence, hash_ = self._before
        if case_id != row.case_id:
            sequence, hash_ = 0, GENESIS
        if row.sequence != sequence + 1:
            self._add(Flaw.JOURNAL_GAP, row, f"sequence {sequence + 1}", f"{row.sequence}")
        if digest != row.hash:
            self._add(Flaw.JOURNAL_HASH, row, f"hash {row.hash}", digest)
        try:
            attributes = json.loads(row.attributes)
            envelope = Envelope.from_attributes(attributes)
        except (ValueError, MalformedEnvelope) as malformed:
            self._add(Flaw.JOURNAL_COLUMNS, row, "an envelope", str(malformed)[:200])
        else:
            if row.sequence == sequence + 1 and envelope.prev_hash != hash_:
                self._add(Flaw.JOURNAL_CHAIN, row, f"prevhash {hash_}", envelope.prev_hash[:64])
            if (found := _columns_of(envelope)) != _columns(row):
                self._add(Flaw.JOURNAL_COLUMNS, row, f"{_columns(row)}", f"{found}")
        self._before = (row.case_id, row.sequence, row.hash)

    def _check_published(self, row: Recorded, digest: str) -> None:
        told = self._ledger.facts.pop(row.key, None)
        if told is not None:
            self.counts.in_log += 1
            if told.event_id != row.event_id.bytes:
                self._add(Flaw.DIFFERS, row, f"event {row.event_id}", told.event_id.hex(), told)
            elif told.digest.hex() != digest:
                self._add(Flaw.DIFFERS, row, f"hash {digest}", told.digest.hex(), told)
        if row.partition is None or row.offset is None:
            self._check_waiting(row)
            return
        if row.waits:
            self._add(Flaw.UNPUBLISHED, row, "out of the outbox once published", "still in it")
        place = (row.topic, row.partition, row.offset)
        if told is None and row.offset >= self._ends.get((row.topic, row.partition), 0):
            self._beyond.append((row, digest))
        elif told is None:
            self._add(Flaw.LOST, row, f"a record at {_named(place)}", "no record of this fact")
        elif place not in (told.place, *told.copies):
            self._add(Flaw.ELSEWHERE, row, f"a record at {_named(place)}", told.name, told)

    def _check_waiting(self, row: Recorded) -> None:
        if row.recorded_at >= self._began:
            self.counts.newer += 1
        elif row.waits:
            self._add(Flaw.UNPUBLISHED, row, "published", "waits in the outbox")
        else:
            self._add(Flaw.UNPUBLISHED, row, "published, or in the outbox", "neither")

    def _add(
        self, flaw: Flaw, row: Recorded, expected: str, found: str, told: Told | None = None
    ) -> None:
        record = None if told is None else told.name
        self._findings.add(Finding(flaw, *row.key, record, row.position, expected, found))


def unknown_to_journals(ledger: LogLedger, findings: Findings) -> None:
    """What is left in the ledger once all journals were read: facts that nobody recorded."""
    for key, told in ledger.facts.items():
        findings.add(
            Finding(
                Flaw.UNKNOWN,
                *key,
                told.name,
                expected=f"a row of the journal of {key[0].value}",
                found="none",
            )
        )


def stray(source: Source, table: str, positions: Iterable[int], findings: Findings) -> None:
    """Rows of `published` or `outbox` that belong to no row of the journal."""
    for position in positions:
        findings.add(
            Finding(
                Flaw.STRAY,
                source,
                position=position,
                expected="a row of the journal",
                found=f"only a row of {table}",
            )
        )


def _misfit(record: LogRecord, attributes: Mapping[str, str], envelope: Envelope) -> str | None:
    """What keeps a record with an envelope from being what the relay sends."""
    if record.key != str(envelope.case_id).encode():
        return "the key is not the case"
    if record.value is None:
        return "no value"
    if sorted(record.headers) != sorted(to_headers(attributes)):
        return "headers that are not the envelope's"
    if (record.topic == DEPARTMENT_EVENTS) != (envelope.case_id == DEPARTMENT):
        return "a case in the other topic"
    return None


def _columns(row: Recorded) -> tuple[str, str, str, int, str]:
    return (
        row.source.value,
        str(row.case_id),
        str(row.event_id),
        row.sequence,
        row.event_type,
    )


def _columns_of(envelope: Envelope) -> tuple[str, str, str, int, str]:
    return (
        envelope.source.value,
        str(envelope.case_id),
        str(envelope.event_id),
        envelope.sequence,
        envelope.type,
    )


def _named(place: tuple[str, int, int]) -> str:
    return f"{place[0]} {place[1]}:{place[2]}"
