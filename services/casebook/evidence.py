"""What an audit compares (log, journals, projections), and what can be found wrong with it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

from shared.events.envelope import chain_hash
from shared.identifiers import DEPARTMENT, CaseId, Source
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS

FINDINGS_MAX: Final = 1000
"""How many findings are kept; beyond it they are only counted."""

Key = tuple[Source, UUID, int]
"""Source, case and sequence: the place of a fact in the order of who told it."""


class Flaw(StrEnum):
    """What can be wrong."""

    DAMAGED = "a damaged batch of the log"
    HOLE = "records are missing in the log"
    UNREADABLE = "unreadable record"
    CONTRADICTION = "another event in the same place"
    OTHER_WORDS = "the same event in other words"
    LOG_GAP = "gap in the log"
    LOG_CHAIN = "broken chain in the log"
    UNKNOWN_TYPE = "an event that this build does not know"
    NOT_HOLDER = "told without holding the case"
    JOURNAL_GAP = "gap in a journal"
    JOURNAL_HASH = "a journal row is not what was recorded"
    JOURNAL_CHAIN = "broken chain in a journal"
    JOURNAL_COLUMNS = "a journal row disagrees with its envelope"
    LOST = "published, but not in the log"
    ELSEWHERE = "not in the log where the journal says"
    DIFFERS = "log and journal differ"
    UNPUBLISHED = "recorded, and not published"
    UNKNOWN = "in the log, but in no journal"
    STRAY = "published or waiting, but in no journal"
    OFFSET = "an offset is not of this log"
    PROJECTION = "a projection is not what the log tells"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, at the exact record."""

    flaw: Flaw
    source: Source | None = None
    case_id: UUID | None = None
    sequence: int | None = None
    record: str | None = None
    """Of the log: `topic partition:offset`."""
    position: int | None = None
    """Of the journal."""
    expected: str = ""
    found: str = ""
    row: str | None = None
    """Of another table: `schema.table key column`."""


class LogRecord(Struct, frozen=True, array_like=True, gc=False):
    """A record of the log as it came. A struct: very many are made, written aside and read back."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None
    timestamp: int = 0
    """When the broker took it, in milliseconds."""

    @property
    def name(self) -> str:
        """How findings name it."""
        return f"{self.topic} {self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of a stage's journal, with where it was published."""

    source: Source
    position: int
    case_id: CaseId
    sequence: int
    event_id: UUID
    event_type: str
    attributes: str
    data: str
    hash: str
    recorded_at: datetime
    partition: int | None
    offset: int | None
    waits: bool
    """It stands in the outbox."""

    @property
    def key(self) -> Key:
        """Its place in the order of its source."""
        return self.source, self.case_id, self.sequence

    @property
    def topic(self) -> str:
        """Where it is published."""
        return DEPARTMENT_EVENTS if self.case_id == DEPARTMENT else CASE_EVENTS

    @property
    def digest(self) -> str:
        """The hash of what it says, computed anew."""
        return chain_hash(self.attributes, self.data.encode())


class Told(Struct, gc=False):
    """A fact of the log, kept as small as it can be."""

    event_id: str
    digest: bytes
    previous: str
    type: str
    turn: int
    place: tuple[str, int, int]
    copies: tuple[tuple[str, int, int], ...] = ()

    @property
    def name(self) -> str:
        """How findings name its record."""
        topic, partition, offset = self.place
        return f"{topic} {partition}:{offset}"


@dataclass(frozen=True, slots=True)
class Damage:
    """Records that cannot be had: their batch is damaged, or they are not there."""

    topic: str
    partition: int
    first: int
    last: int
    flaw: Flaw

    @property
    def finding(self) -> "Finding":
        """As it is told."""
        name = f"{self.topic} {self.partition}:{self.first}"
        expected = f"the records {self.first} to {self.last}"
        return Finding(self.flaw, record=name, expected=expected, found="nothing readable")


@dataclass
class Findings:
    """What was found so far: the first thousand, and how many of each kind."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Flaw] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """One more."""
        self.counts[finding.flaw] += 1
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(finding)
