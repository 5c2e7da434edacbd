"""Where each schema says that it has read the log to, and whether that is so (D5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.casebook.arrivals import arrival_of
from services.casebook.evidence import Finding, Findings, Flaw, LogRecord
from shared.identifiers import Source
from shared.messaging.log import Place
from shared.messaging.records import Incoming
from shared.postgres.pool import Connection

CASEBOOK: Final = "casebook"
_OFFSETS: Final = "SELECT topic, partition, next, last_event_id FROM {0}.offsets"


@dataclass(frozen=True, slots=True)
class Mark:
    """`event_id` is the event in the record before `next`; None if it is no event."""

    schema: str
    topic: str
    partition: int
    next: int
    event_id: UUID | None

    @property
    def row(self) -> str:
        """How findings name it."""
        return f"{self.schema}.offsets {self.topic} {self.partition}"


@dataclass
class Reached:
    """The marks of all schemas; `see` every record, then `conclude`."""

    marks: Sequence[Mark] = ()
    _wanted: dict[tuple[str, int, int], list[Mark]] = field(default_factory=dict)
    _wrong: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        for mark in self.marks:
            if mark.next == 0 and mark.event_id is not None:
                self._add(mark, "no event before the first", f"event {mark.event_id}")
            if mark.next > 0:
                at = (mark.topic, mark.partition, mark.next - 1)
                self._wanted.setdefault(at, []).append(mark)

    def of(self, schema: str) -> dict[Place, int]:
        """How far a schema has read each partition."""
        return {
            (mark.topic, mark.partition): mark.next for mark in self.marks if mark.schema == schema
        }

    def see(self, record: LogRecord) -> None:
        """One record of the log."""
        marks = self._wanted.pop((record.topic, record.partition, record.offset), ())
        for mark in marks:
            found = _event_in(record, mark.schema)
            if found != mark.event_id:
                expected = f"event {found}, which stands before it"
                self._add(mark, expected, f"event {mark.event_id}")

    def conclude(self, ends: Mapping[Place, int], findings: Findings) -> None:
        """Once the whole log is seen."""
        for marks in self._wanted.values():
            for mark in marks:
                end = ends.get((mark.topic, mark.partition), 0)
                self._add(mark, f"a record before it; the log ends at {end}", f"next {mark.next}")
        for schema in sorted({mark.schema for mark in self.marks}):
            known = self.of(schema)
            for (topic, partition), end in sorted(ends.items()):
                if end > 0 and (topic, partition) not in known:
                    mark = Mark(schema, topic, partition, 0, None)
                    self._add(mark, "a row", "none")
        for finding in self._wrong:
            findings.add(finding)

    def _add(self, mark: Mark, expected: str, found: str) -> None:
        self._wrong.append(Finding(Flaw.OFFSET, row=mark.row, expected=expected, found=found))


async def reached(connection: Connection) -> Reached:
    """What stands in all the tables of offsets. Inside a transaction."""
    marks = []
    for schema in (*(source.value for source in Source), CASEBOOK):
        if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.offsets") is None:
            continue
        for row in await connection.fetch(_OFFSETS.format(schema)):
            marks.append(Mark(schema, *row.values()))
    return Reached(marks)


def _event_in(record: LogRecord, schema: str) -> UUID | None:
    """The event that a schema remembers of a record."""
    if schema == CASEBOOK:
        place = arrival_of(record).place
        return None if place is None else place.event_id
    parts = (record.topic, record.partition, record.offset)
    return Incoming(*parts, record.key, record.headers, record.value).event_id
