"""What casebook's tables have to hold, folded anew in memory, and how they differ from that.

A fresh fold case by case, with the functions that the tables themselves are folded with, up to
where the tables say they are folded. Nothing is written anywhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final
from uuid import UUID

from services.casebook import folding
from services.casebook.admission import CaseFile, admit
from services.casebook.arrivals import arrival_of
from services.casebook.bulk import Row
from services.casebook.evidence import Finding, Findings, Flaw, LogRecord
from services.casebook.projections import department, notices, status, timeline
from shared.identifiers import DEPARTMENT, CaseId
from shared.messaging.log import Place
from shared.messaging.records import headers_text

_SHOWN: Final = 100
_NOT_SHOWN: Final = frozenset({"sealed", "headers", "value"})


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the log determines. `key` are the first columns of its rows."""

    name: str
    columns: Sequence[str]
    key: int
    rows: Callable[[CaseFile], Iterable[Row]]
    by_case: bool = True
    """It has a column `case_id`; the others are the department's."""


def _status(file: CaseFile) -> Iterable[Row]:
    found = status.row_of(file) if file.told else None
    return () if found is None else (found,)


def _waiting(file: CaseFile) -> Iterable[Row]:
    for (source, sequence), arrival in file.waiting.items():
        raw = arrival.raw
        key = (file.case_id, source.value, sequence)
        yield (*key, raw.topic, raw.partition, raw.offset, headers_text(raw.headers), raw.value)


def _parked(file: CaseFile) -> Iterable[Row]:
    for place, arrival in enumerate(file.queue):
        raw, reason = arrival.raw, file.parked if place == 0 else None
        key = (raw.topic, raw.partition, raw.offset)
        yield (*key, file.case_id, headers_text(raw.headers), raw.value, reason)


def _setbacks(file: CaseFile) -> Iterable[Row]:
    for each in file.setbacks.values():
        if each.since != each.until:  # one that lasted for no record was none
            yield file.case_id, each.since, each.until, each.reason


def _of_department(name: str) -> Callable[[CaseFile], Iterable[Row]]:
    return lambda file: department.rows_of(file.told)[name]


_AT: Final = ("topic", "partition", "offset")
TABLES: Final = (
    Table("cases", tuple(folding.COLUMNS), 1, lambda file: (folding.row_of(file),)),
    Table("status", tuple(status.COLUMNS), 1, _status),
    Table(
        "timeline",
        tuple(timeline.COLUMNS),
        3,
        lambda file: (timeline.row_of(file, told) for told in file.told),
    ),
    Table("notices", notices.COLUMNS, 2, notices.rows_of),
    Table("setbacks", ("case_id", "since", "until", "reason"), 2, _setbacks),
    Table("waiting", ("case_id", "source", "sequence", *_AT, "headers", "value"), 3, _waiting),
    Table("parked", (*_AT, "case_id", "headers", "value", "reason"), 3, _parked),
    *(
        Table(name, columns, 1, _of_department(name), by_case=False)
        for name, columns in department.COLUMNS.items()
    ),
)
"""All tables that a rebuild from the same log would give again. Not `names`: its words come from
the vault, beside the fold, and a row goes with the case's key, of which the log need not tell."""


def folded(case_id: CaseId, records: Iterable[LogRecord], reached: Mapping[Place, int]) -> CaseFile:
    """A case as casebook has it that has read so far."""
    file = CaseFile(case_id)
    for record in records:
        if record.offset < reached.get((record.topic, record.partition), 0):
            admit(file, arrival_of(record))
    return file


class TableReader:
    """Compares the rows of casebook's tables with what the fold expects of them."""

    def __init__(self, findings: Findings, schema: str) -> None:
        self.rows = 0
        self._findings = findings
        self._schema = schema

    def compare(self, file: CaseFile | None, table: Table, found: Iterable[Row]) -> None:
        """All rows of a table that are of one case; of which nothing may be told at all."""
        is_told = file is not None and (file.seen or file.queue or file.waiting)
        expected = _keyed(table.rows(file), table) if file is not None and is_told else {}
        for key, row in _keyed(found, table).items():
            self.rows += 1
            wanted = expected.pop(key, None)
            if wanted is None:
                self._add(table, key, "row", "no such row", "a row that no fact tells")
            elif wanted != row:
                self._differs(table, key, wanted, row)
        for key in expected:
            self._add(table, key, "row", "a row", "none")

    def _differs(self, table: Table, key: Row, wanted: Row, row: Row) -> None:
        for column, expected, found in zip(table.columns, wanted, row, strict=True):
            if expected != found:
                self._add(table, key, column, _shown(column, expected), _shown(column, found))

    def _add(self, table: Table, key: Row, column: str, expected: str, found: str) -> None:
        at = " ".join(str(part) for part in key)
        case_id = UUID(str(key[0])) if table.columns[0] == "case_id" else None
        row = f"{self._schema}.{table.name} {at} {column}"
        finding = Finding(Flaw.PROJECTION, case_id=case_id, row=row, expected=expected, found=found)
        self._findings.add(finding)


def of_case(table: Table, case_id: CaseId) -> bool:
    """Whether a case can have rows in a table."""
    return table.by_case or case_id == DEPARTMENT


def _shown(column: str, value: object) -> str:
    """What may hold anything is told apart by its hash."""
    if column not in _NOT_SHOWN or value is None:
        return str(value)[:_SHOWN]
    data = value if isinstance(value, bytes) else str(value).encode()
    return f"sha256 {sha256(data).hexdigest()[:16]}"


def _keyed(rows: Iterable[Row], table: Table) -> dict[Row, Row]:
    plain = (tuple(map(_plain, row)) for row in rows)
    return {row[: table.key]: row for row in plain}


def _plain(value: object) -> object:
    """Equal for what a fold gives and what the database gives back for it."""
    match value:
        case Enum():
            return value.value
        case UUID():
            return str(value)
        case tuple() | list():
            return tuple(map(_plain, value))
        case _:
            return value
