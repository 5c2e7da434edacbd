"""Whether the journals and the log tell the same (D1 c): pure, rows and records in, findings out.

The log is read first, up to its ends of that moment, then the journals: so on a running system a
journal may know more than the log that was read, and never less. Rows that stand beyond those ends
are looked for in a second reading of the log's tail.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.casebook.evidence import Finding, Findings, Flaw, Key, LogRecord, Recorded, Told
from services.casebook.saying import Unfit, said_in
from shared.events.catalogue import BY_TYPE
from shared.events.envelope import (
    GENESIS,
    Envelope,
    MalformedEnvelope,
    written,
)
from shared.events.event import Kind
from shared.events.upcasts import newest
from shared.identifiers import Source
from shared.messaging.log import Place

_RUN_MAX: Final = timedelta(hours=24)
"""What was recorded after a verification began, and within this, is not judged by it."""


class LogLedger:
    """The facts of the log by the reading rule (D4), each with the place of its first record."""

    def __init__(self, findings: Findings) -> None:
        self.facts: dict[Key, Told] = {}
        self.duplicates = 0
        self._findings = findings

    def take(self, record: LogRecord) -> None:
        """One more record, in the order of its partition."""
        try:
            said = said_in(record)
        except Unfit as unfit:
            self._findings.add(Finding(Flaw.UNREADABLE, *unfit.key, record.name, found=str(unfit)))
            return
        key = said.key
        place = (record.topic, record.partition, record.offset)
        first = self.facts.get(key)
        if first is None:
            self.facts[key] = Told(
                said.event_id, said.digest, said.previous, said.type, said.turn, place
            )
        elif first.event_id != said.event_id:
            self._contradicts(Flaw.CONTRADICTION, key, record, first, said.event_id)
        elif first.digest != said.digest:
            self._contradicts(Flaw.OTHER_WORDS, key, record, first, said.digest.hex())
        else:
            self.duplicates += 1
            first.copies += (place,)

    def conclude(self) -> None:
        """Once all of a case is taken: no gaps, each fact carries the hash of the one before."""
        for key, told in self.facts.items():
            source, case_id, sequence = key
            before = self.facts.get((source, case_id, sequence - 1))
            if before is None and sequence > 1:
                expected = f"sequence {sequence - 1} before it"
                self._add(Flaw.LOG_GAP, key, told, expected, "nothing")
                continue
            expected = GENESIS if before is None else before.digest.hex()
            if (found := told.previous) != expected:
                self._add(Flaw.LOG_CHAIN, key, told, f"prevhash {expected}", found[:64])

    def judge(self) -> None:
        """Once all of one case is taken: was each binding fact told by who held the turn (D8)?"""
        path = [Source.INTAKE]
        moved: set[tuple[Source, int]] = set()
        # In the order of turns: who holds one is known from the facts of the turn before.
        for key, told in sorted(self.facts.items(), key=_in_turn):
            source, turn = key[0], told.turn
            entry = BY_TYPE.get(newest(told.type))
            if entry is None or entry.owner is not source:
                self._add(Flaw.UNKNOWN_TYPE, key, told, "a type of the catalogue", told.type)
                continue
            if entry.kind is Kind.STATEMENT:
                continue
            holder = path[turn].value if turn < len(path) else "nobody yet"
            moves = entry.hands_to is not None or entry.ends is not None
            if holder != source.value:
                self._add(Flaw.NOT_HOLDER, key, told, f"turn {turn} held by {holder}", source)
            elif moves and (source, turn) in moved:
                expected = f"turn {turn} passed on once"
                self._add(Flaw.NOT_HOLDER, key, told, expected, "a second time")
            elif moves:
                moved.add((source, turn))
                if entry.hands_to is not None and turn == len(path) - 1:
                    path.append(entry.hands_to)

    def _add(self, flaw: Flaw, key: Key, told: Told, expected: str, found: str) -> None:
        finding = Finding(flaw, *key, told.name, expected=expected, found=found)
        self._findings.add(finding)

    def _contradicts(
        self, flaw: Flaw, key: Key, record: LogRecord, first: Told, found: str
    ) -> None:
        expected = f"what stands at {first.name} ({first.event_id})"
        self._findings.add(Finding(flaw, *key, record.name, expected=expected, found=found))


@dataclass
class JournalCounts:
    """How much of one stage was compared."""

    rows: int = 0
    newer: int = 0
    """Recorded or published after the comparison began: not judged."""
    in_log: int = 0


class JournalReader:
    """The rows of one stage's journal, in the order of (case, sequence), each against a ledger.

    What a ledger holds and no journal has remains in its `facts`.
    """

    def __init__(self, findings: Findings, ends: Mapping[Place, int], began: datetime) -> None:
        self.counts = JournalCounts()
        self._findings = findings
        self._ends = ends
        self._began = began
        self._beyond: list[tuple[Recorded, str]] = []
        self._before: tuple[UUID | None, int, str] = (None, 0, GENESIS)

    def take(self, row: Recorded, ledger: LogLedger) -> None:
        """One more row, and what the log tells of its case."""
        self.counts.rows += 1
        digest = row.digest
        self._check_itself(row, digest)
        self._check_published(row, digest, ledger.facts.pop(row.key, None))

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

    def _check_published(self, row: Recorded, digest: str, told: Told | None) -> None:
        if told is not None:
            self.counts.in_log += 1
            if told.event_id != str(row.event_id):
                self._add(Flaw.DIFFERS, row, f"event {row.event_id}", told.event_id, told)
            elif told.digest.hex() != digest:
                self._add(Flaw.DIFFERS, row, f"hash {digest}", told.digest.hex(), told)
        if row.partition is None or row.offset is None:
            self._check_waiting(row)
            return
        if row.waits:
            self._add(Flaw.UNPUBLISHED, row, "out of the outbox once published", "still in it")
        place = (row.topic, row.partition, row.offset)
        if told is None and row.offset >= self._ends.get((row.topic, row.partition), 0):
            if self._is_newer(row):
                self.counts.newer += 1
            else:
                self._beyond.append((row, digest))
        elif told is None:
            self._add(Flaw.LOST, row, f"a record at {_named(place)}", "no record of this fact")
        elif place not in (told.place, *told.copies):
            self._add(Flaw.ELSEWHERE, row, f"a record at {_named(place)}", told.name, told)

    def _check_waiting(self, row: Recorded) -> None:
        if self._is_newer(row):
            self.counts.newer += 1
        elif row.waits:
            self._add(Flaw.UNPUBLISHED, row, "published", "waits in the outbox")
        else:
            self._add(Flaw.UNPUBLISHED, row, "published, or in the outbox", "neither")

    def _is_newer(self, row: Recorded) -> bool:
        return self._began <= row.recorded_at <= self._began + _RUN_MAX

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


def _in_turn(item: tuple[Key, Told]) -> tuple[int, str, int]:
    (source, _, sequence), told = item
    return told.turn, source, sequence


def _columns(row: Recorded) -> tuple[str, str, str, int, str, str]:
    return (
        row.source.value,
        str(row.case_id),
        str(row.event_id),
        row.sequence,
        row.event_type,
        written(row.recorded_at),
    )


def _columns_of(envelope: Envelope) -> tuple[str, str, str, int, str, str]:
    return (
        envelope.source.value,
        str(envelope.case_id),
        str(envelope.event_id),
        envelope.sequence,
        envelope.type,
        written(envelope.time),
    )


def _named(place: tuple[str, int, int]) -> str:
    return f"{place[0]} {place[1]}:{place[2]}"
