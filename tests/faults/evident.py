"""A small office with everything that an audit looks at: log, journals, offsets, casebook's tables.

Built from the log alone, in one database, by the statements of the system itself where there are
such. A tampering is done in a transaction, found in it, and rolled back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import asyncpg

from services.casebook import folding, offsets
from services.casebook.arrivals import arrival_of
from services.casebook.auditing import Came, Report, Stand, compared, gathered
from services.casebook.case_order import CaseOrder
from services.casebook.evidence import Damage, Finding, Findings, LogRecord
from services.casebook.reached import CASEBOOK, reached
from services.casebook.schemas import MIGRATIONS
from services.casebook.verification import LogLedger
from shared.clock import now
from shared.events.envelope import Envelope, canonical, chain_hash, envelope_of, from_headers
from shared.identifiers import Source
from shared.messaging.log import Place
from shared.messaging.topics import TOPICS, partitions_of
from shared.postgres.migrations import migrate
from shared.postgres.pool import Connection
from tests.facts import CaseFacts, DepartmentFacts, Written

JOURNAL = files("shared.journal") / "migrations"
PLACES = [(topic.name, part) for topic in TOPICS for part in partitions_of(topic.name)]
Batch = list[LogRecord] | Damage


def office() -> list[Written]:
    """Cases in every state, and the department, told in turns."""
    cases = [CaseFacts(office=("almaly", "medeu")[place % 2]) for place in range(14)]
    for place, case in enumerate(cases):
        for step in _walk(case)[: 2 + place % 7]:
            step()
    cases[1].withdrawal_requested()
    cases[2].erased()
    staff = DepartmentFacts()
    for name in ("aigul", "bolat", "head"):
        staff.member(name)
    staff.away("bolat", date(2026, 3, 3), date(2026, 3, 5))
    longest = max(len(case.written) for case in cases)
    mixed = [
        case.written[step] for step in range(longest) for case in cases if step < len(case.written)
    ]
    return [*staff.written, *mixed]


def _walk(case: CaseFacts) -> Sequence[Callable[[], Written]]:
    return (
        case.lodged, case.registered, case.assigned, case.drafted, case.returned, case.drafted,
        case.signed, case.issued, case.notice_sent,
    )  # fmt: skip


@dataclass
class Office:
    """The log as records by partition, and a connection to all the tables made from it."""

    records: list[LogRecord]
    connection: "asyncpg.Connection[asyncpg.Record]"

    @property
    def ends(self) -> dict[Place, int]:
        """Where each partition ends."""
        return ends_of([self.records])

    async def build(self) -> None:
        """Make every table as the services would have made it from this log."""
        for source in Source:
            await migrate(self.connection, JOURNAL, source.value)
            async with self._within(source.value):
                await self._journal(source)
                await self._offsets()
        await migrate(self.connection, MIGRATIONS, CASEBOOK)
        await self.connection.execute(f"SET search_path = {CASEBOOK}")
        await offsets.load(self.connection)
        await folding.fold(self.connection, [arrival_of(record) for record in self.records])
        await self.connection.execute("SET search_path = public")

    async def audit(self, batches: Sequence[Batch]) -> list[Finding]:
        """What an audit finds, with the log as it is given. In a transaction."""
        report, began = Report(), now() + timedelta(seconds=1)
        marks = await reached(self.connection)
        with CaseOrder() as order:
            await gathered(_coming(batches), order, marks, report)
            ends = ends_of(batches)
            stand = Stand(self.connection, self.connection, ends, marks, began, has_tables=True)
            await compared(order, stand, report, lambda _: None)
        for _, reader in report.stages:
            reader.settle(_nothing())
        return report.findings.kept

    def _within(self, schema: str) -> "_Schema":
        return _Schema(self.connection, schema)

    async def _journal(self, source: Source) -> None:
        rows: list[tuple[object, ...]] = []
        places: list[tuple[int, int, int]] = []
        for record in self.records:
            envelope = envelope_of(record.headers)
            if envelope.source is source:
                rows.append(_row(envelope, record, len(rows) + 1))
                places.append((len(rows), record.partition, record.offset))
        columns = (
            "position", "case_id", "sequence", "event_id", "event_type", "attributes", "data",
            "hash", "recorded_at",
        )  # fmt: skip
        await self.connection.executemany(
            f"INSERT INTO journal ({', '.join(columns)}) OVERRIDING SYSTEM VALUE"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            rows,
        )
        await self.connection.executemany("INSERT INTO published VALUES ($1, $2, $3)", places)

    async def _offsets(self) -> None:
        last: dict[Place, Any] = dict.fromkeys(PLACES)
        for record in self.records:
            last[record.topic, record.partition] = envelope_of(record.headers).event_id
        rows = [(*place, self.ends[place], last[place]) for place in PLACES]
        await self.connection.executemany("INSERT INTO offsets VALUES ($1, $2, $3, $4)", rows)


@dataclass
class _Schema:
    """A schema's tables go without its name inside."""

    connection: Connection
    name: str

    async def __aenter__(self) -> None:
        await self.connection.execute(f"SET search_path = {self.name}")

    async def __aexit__(self, *_: object) -> None:
        await self.connection.execute("SET search_path = public")


def ends_of(batches: Iterable[Batch]) -> dict[Place, int]:
    """Where each partition ends."""
    ends = dict.fromkeys(PLACES, 0)
    for batch in batches:
        if isinstance(batch, Damage):
            ends[batch.topic, batch.partition] = batch.last + 1
            continue
        for record in batch:
            ends[record.topic, record.partition] = record.offset + 1
    return ends


async def _coming(batches: Iterable[Batch]) -> Came:
    for batch in batches:
        yield batch


def _nothing() -> LogLedger:
    """The log has no tail: nobody writes meanwhile."""
    return LogLedger(Findings())


def _row(envelope: Envelope, record: LogRecord, position: int) -> tuple[object, ...]:
    text = canonical(from_headers(record.headers))
    data = record.value or b""
    return (
        position, envelope.case_id, envelope.sequence, envelope.event_id, envelope.type, text,
        data.decode(), chain_hash(text, data), envelope.time,
    )  # fmt: skip
