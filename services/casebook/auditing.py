"""An audit of everything: the log in itself, the journals against it, the projections, the offsets.

Case by case, so that memory stays the same however long the log is (`case_order`). The offsets and
projections are taken in one snapshot before the log is read, the journals in another after it: so
on a running system the log has all that the first one names, and the second all that the log has.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.casebook.admission import CaseFile
from services.casebook.bulk import Row
from services.casebook.case_order import CaseOrder
from services.casebook.evidence import Damage, Findings, LogRecord, Recorded
from services.casebook.expectation import TABLES, Table, TableReader, folded
from services.casebook.in_step import ByCase, in_step
from services.casebook.journals import journal_of, schemas_of_stages, strays_of
from services.casebook.reached import CASEBOOK, Reached
from services.casebook.schemas import still_named
from services.casebook.verification import JournalReader, LogLedger, stray, unknown_to_journals
from shared.errors import Unavailable
from shared.identifiers import DEPARTMENT, CaseId, Source
from shared.messaging.log import Place
from shared.postgres.pool import Connection

_ROWS_AT_ONCE = 2000

Came = AsyncIterator[list[LogRecord] | Damage]
"""The log as it is read: records in the order of their partitions, and what cannot be read."""


@dataclass
class Report:
    """What was compared, and what was found."""

    findings: Findings = field(default_factory=Findings)
    records: int = 0
    cases: int = 0
    facts: int = 0
    duplicates: int = 0
    rows: int | None = None
    """Of casebook's tables; None when it has none."""
    stages: list[tuple[Source, JournalReader]] = field(default_factory=list)


@dataclass(frozen=True)
class Stand:
    """What an audit stands on: two snapshots of the database, and how far the log goes.

    `before` is older than the reading of the log, `after` is younger. `has_tables`: casebook has.
    """

    before: Connection
    after: Connection
    ends: Mapping[Place, int]
    reached: Reached
    began: datetime
    has_tables: bool


async def gathered(came: Came, order: CaseOrder, reached: Reached, report: Report) -> None:
    """Take the whole log in: into the order of cases, past the marks of those who have read it."""
    async for batch in came:
        if isinstance(batch, Damage):
            report.findings.add(batch.finding)
            continue
        for record in batch:
            order.take(record)
            reached.see(record)
        report.records += len(batch)


def judged(records: Iterable[LogRecord], report: Report) -> LogLedger:
    """What the log tells of one case, by the reading rule; its faults are found."""
    ledger = LogLedger(report.findings)
    for record in records:
        ledger.take(record)
    ledger.conclude()
    ledger.judge()
    report.cases += 1
    report.facts += len(ledger.facts)
    report.duplicates += ledger.duplicates
    return ledger


async def compared(
    order: CaseOrder, stand: Stand, report: Report, advance: Callable[[int], None]
) -> None:
    """Every case: its chain, its journals, its projections.

    Raises:
        Unavailable: other tables became the live ones meanwhile, and some of each were read.
    """
    findings = report.findings
    sources = await schemas_of_stages(stand.after)
    readers = [JournalReader(findings, stand.ends, stand.began) for _ in sources]
    report.stages = list(zip(sources, readers, strict=True))
    tables = [table for table in TABLES if table.by_case] if stand.has_tables else []
    comparer = TableReader(findings, CASEBOOK)
    read_to = stand.reached.of(CASEBOOK)
    department: CaseFile | None = None
    streams: list[ByCase[Row] | ByCase[Recorded] | ByCase[tuple[CaseId, list[LogRecord]]]] = [
        ByCase(_in_order(order), lambda case: case[0]),
        *(ByCase(journal_of(stand.after, source), _case_of_row) for source in sources),
        *(_table(stand.before, table) for table in tables),
    ]
    async for case_id, (cases, *rows) in in_step(streams):
        records = cases[0][1] if cases else []
        ledger = judged(records, report)
        for reader, journal in zip(readers, rows, strict=False):
            for row in journal:
                reader.take(row, ledger)
        unknown_to_journals(ledger, findings)
        if tables:
            file = folded(CaseId(case_id), records, read_to)
            department = file if case_id == DEPARTMENT else department
            for table, found in zip(tables, rows[len(sources) :], strict=True):
                comparer.compare(file, table, found)
        advance(len(records))
    if stand.has_tables:
        await _compare_department(stand.before, comparer, department)
        report.rows = comparer.rows
        if not await still_named(stand.before, CASEBOOK):
            raise Unavailable("casebook: other tables were swapped in during the audit; repeat it")
    await _find_strays(stand.after, sources, findings)
    stand.reached.conclude(stand.ends, findings)


async def _compare_department(
    connection: Connection, comparer: TableReader, file: CaseFile | None
) -> None:
    for table in TABLES:
        if not table.by_case:
            rows = await connection.fetch(_select(table))
            comparer.compare(file, table, [tuple(row.values()) for row in rows])


async def _find_strays(
    connection: Connection, sources: Iterable[Source], findings: Findings
) -> None:
    for source in sources:
        for name in ("published", "outbox"):
            positions = await strays_of(connection, source, name)
            stray(source, name, positions, findings)


async def _in_order(order: CaseOrder) -> AsyncIterator[tuple[CaseId, list[LogRecord]]]:
    for case in order.cases():
        yield case


def _case_of_row(row: Recorded) -> UUID:
    return row.case_id


def _table(connection: Connection, table: Table) -> ByCase[Row]:
    place = table.columns.index("case_id")

    def case_of(row: Row) -> UUID:
        found = row[place]
        assert isinstance(found, UUID)
        return found

    return ByCase(_rows(connection, table), case_of)


async def _rows(connection: Connection, table: Table) -> AsyncIterator[Row]:
    cursor = await connection.cursor(f"{_select(table)} ORDER BY case_id")
    while rows := await cursor.fetch(_ROWS_AT_ONCE):
        for row in rows:
            yield tuple(row.values())


def _select(table: Table) -> str:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    return f"SELECT {columns} FROM {CASEBOOK}.{table.name}"  # noqa: S608 - names of our own
