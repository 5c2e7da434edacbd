"""Whether the journals and the log tell the same (D1 c): pure, rows and records in, findings out.

The log is read first, up to its ends of that moment, then the journals: so on a running system a
journal may know more than the log that was read, and never less. Rows that stand beyond those ends
are looked for in a second reading of the log's tail.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Final
from uuid import UUID

from services.casebook.evidence import Finding, Findings, Flaw, Key, LogRecord, Recorded, Told
from shared.events.catalogue import BY_TYPE
from shared.events.envelope import (
    GENESIS,
    Envelope,
    MalformedEnvelope,
    canonical,
    envelope_of,
    from_headers,
    written,
)
from shared.events.event import Kind
from shared.events.upcasts import UPCASTS
from shared.identifiers import DEPARTMENT, Source
from shared.messaging.log import Place
from shared.messaging.topics import DEPARTMENT_EVENTS

_RUN_MAX: Final = timedelta(hours=24)
"""What was recorded after a verification began, and within this, is not judged by it."""
ATTRIBUTES: Final = (
    "actor", "causationid", "correlationid", "id", "idempotencykey", "office", "prevhash",
    "procedure", "sequence", "source", "specversion", "subject", "synthetic", "time",
    "traceparent", "turn", "type",
)  # fmt: skip
"""All that an envelope can hold, in the order in which its headers stand."""
_OUR_CONTENT: Final = ("content-type", b"application/json")


class LogLedger:
    """The facts of the log by the reading rule (D4), each with the place of its first record."""

    def __init__(self, findings: Findings) -> None:
        self.facts: dict[Key, Told] = {}
        self.duplicates = 0
        self._findings = findings

    def take(self, record: LogRecord) -> None:
        """One more record, in the order of its partition."""
        try:
            envelope = envelope_of(record.headers)
            text = canonical_text(record.headers)
            fault = _misfit(record, envelope)
        except MalformedEnvelope as malformed:
            self._findings.add(Finding(Flaw.UNREADABLE, record=record.name, found=str(malformed)))
            return
        key = (envelope.source, envelope.case_id, envelope.sequence)
        if fault is not None:
            self._findings.add(Finding(Flaw.UNREADABLE, *key, record=record.name, found=fault))
            return
        digest = sha256(b"%b\n%b" % (text, record.value or b"")).digest()
        place = (record.topic, record.partition, record.offset)
        first = self.facts.get(key)
        event_id = envelope.event_id.bytes
        if first is None:
            previous = envelope.prev_hash.encode()
            self.facts[key] = Told(event_id, digest, previous, envelope.type, envelope.turn, place)
        elif first.event_id != event_id:
            self._contradicts(Flaw.CONTRADICTION, key, record, first, str(envelope.event_id))
        elif first.digest != digest:
            self._contradicts(Flaw.OTHER_WORDS, key, record, first, digest.hex())
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
            if (found := told.previous.decode()) != expected:
                self._add(Flaw.LOG_CHAIN, key, told, f"prevhash {expected}", found[:64])

    def judge(self) -> None:
        """Once all of a case is taken: was each binding fact told by who held the turn (D8)?"""
        path = self._path()
        moved: set[tuple[Source, int]] = set()
        for key, told in sorted(self.facts.items(), key=_in_turn):
            entry = BY_TYPE.get(told.type)
            if entry is None or entry.owner is not key[0]:
                if told.type not in UPCASTS:
                    self._add(Flaw.UNKNOWN_TYPE, key, told, "a type of the catalogue", told.type)
                continue
            if entry.kind is Kind.STATEMENT:
                continue
            holder = path[told.turn].value if told.turn < len(path) else "nobody yet"
            if holder != key[0].value:
                self._add(Flaw.NOT_HOLDER, key, told, f"turn {told.turn} held by {holder}", key[0])
            elif entry.hands_to is not None or entry.ends is not None:
                if (key[0], told.turn) in moved:
                    expected = f"turn {told.turn} passed on once"
                    self._add(Flaw.NOT_HOLDER, key, told, expected, "a second time")
                moved.add((key[0], told.turn))

    def _path(self) -> list[Source]:
        """The holders by turn, as far as the hand-offs lead."""
        path = [Source.INTAKE]
        for (source, _, _), told in sorted(self.facts.items(), key=_in_turn):
            entry = BY_TYPE.get(told.type)
            moves_on = entry is not None and entry.hands_to is not None
            if moves_on and told.turn == len(path) - 1 and source is path[-1]:
                assert entry is not None
                assert entry.hands_to is not None
                path.append(entry.hands_to)
        return path

    def _add(self, flaw: Flaw, key: Key, told: Told, expected: str, found: str) -> None:
        finding = Finding(flaw, *key, told.name, expected=expected, found=found)
        self._findings.add(finding)

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
        if self._began <= row.recorded_at <= self._began + _RUN_MAX:
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


def canonical_text(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """What the journal keeps of an envelope, from headers that `envelope_of` could read.

    Nearly all records have their headers in our order. Their values are of closed alphabets that
    JSON writes as they are, so the text is put together without a JSON library.
    """
    names = tuple([name for name, _ in headers])
    template = _TEMPLATES.get(names)
    if template is None:
        template = _TEMPLATES.setdefault(names, _template(names)) if _is_ours(names) else b""
    if template:
        return template % tuple([value for _, value in headers[1:]])
    return canonical(from_headers(headers)).encode()


_CONTENT_TYPE: Final = "content-type"
_TEMPLATES: Final[dict[tuple[str, ...], bytes]] = {}


def _is_ours(names: Sequence[str]) -> bool:
    """The content type, then known attributes, each once, sorted: so there are few such tuples."""
    own = names[1:]
    known = {f"ce_{name}" for name in ATTRIBUTES}
    return names[:1] == (_CONTENT_TYPE,) and known.issuperset(own) and _ascends(own)


def _ascends(names: Sequence[str]) -> bool:
    return all(first < second for first, second in pairwise(names))


def _template(names: Sequence[str]) -> bytes:
    return b"{%b}" % b",".join(b'"%b":"%%b"' % name[3:].encode() for name in names[1:])


def _misfit(record: LogRecord, envelope: Envelope) -> str | None:
    """What keeps a record with an envelope from being what the relay sends."""
    headers = record.headers
    if record.key != str(envelope.case_id).encode():
        return "the key is not the case"
    if record.value is None:
        return "no value"
    if headers[0] != _OUR_CONTENT or tuple([name for name, _ in headers]) not in _TEMPLATES:
        return "headers that are not the envelope's"
    if (record.topic == DEPARTMENT_EVENTS) != (envelope.case_id == DEPARTMENT):
        return "a case in the other topic"
    return None


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
