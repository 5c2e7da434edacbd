"""One poll of the log is one transaction: the reading rule, the projections, the offsets (D5, D6).

Nothing here knows Kafka: a rebuild into another schema folds with the same functions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from services.casebook import aside, changes, offsets, setbacks
from services.casebook.admission import CaseFile, admit, needs_queue, retry
from services.casebook.arrivals import Arrival, Fault
from services.casebook.bulk import (
    NULL,
    Columns,
    Row,
    copied,
    copy_lines,
    escaped,
    row_in,
    unescaped,
)
from services.casebook.offsets import Passed
from services.casebook.projections import department, names, notices, status, timeline
from services.casebook.schemas import hold_pointer
from services.casebook.standing import Standing
from shared.identifiers import CaseId
from shared.messaging.reading import read_seen, written_seen
from shared.postgres.pool import Connection

_log = structlog.get_logger()

# What one record can do to a whole transaction: values that the tables do not take.
BAD_VALUES: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

_LOAD: Final = """
SELECT case_id, seen, standing, parked, parked_since, waits FROM cases
WHERE case_id = ANY ($1::uuid[])
"""
_in_order: Final = attrgetter("bytes")
"""As Postgres has them; UUIDs themselves are compared slowly."""
COLUMNS: Final[Columns] = {
    "case_id": UUID, "seen": unescaped, "standing": unescaped, "parked": unescaped,
    "parked_since": int, "waits": int,
}  # fmt: skip
_SAVE: Final = """
UPDATE cases SET seen = fresh.seen, standing = fresh.standing, parked = fresh.parked,
    parked_since = fresh.parked_since, waits = fresh.waits
FROM fresh WHERE cases.case_id = fresh.case_id
"""
_PARKED_CASES: Final = """
SELECT case_id FROM cases WHERE parked IS NOT NULL AND ($1::uuid IS NULL OR case_id > $1)
ORDER BY case_id LIMIT $2
"""


@dataclass(slots=True)
class Desk:
    """The cases of one transaction in memory, and what stood aside of them before."""

    files: dict[CaseId, CaseFile] = field(default_factory=dict)
    known: set[CaseId] = field(default_factory=set)
    """Those that have rows already."""
    waited: list[Arrival] = field(default_factory=list)
    reopened: list[CaseId] = field(default_factory=list)
    newly_parked: int = 0

    @property
    def ordered(self) -> list[CaseFile]:
        """In key order, as rows are written."""
        return [self.files[case_id] for case_id in sorted(self.files, key=_in_order)]


async def fold(connection: Connection, arrivals: Sequence[Arrival]) -> int:
    """Fold one poll and move the offsets behind it, all or nothing; how many cases it parked.

    Raises:
        Conflict: another replica folded these records.
        asyncpg.PostgresError, OSError: the database; nothing was folded.
    """
    async with connection.transaction():
        await hold_pointer(connection)
        # First: who folds the same records meanwhile waits here, and then has a Conflict.
        await offsets.move(connection, Passed().by(arrivals))
        desks = await _fold_or_halve(connection, arrivals)
        for desk in desks:
            await changes.record(connection, desk.ordered)
    return sum(desk.newly_parked for desk in desks)


async def retry_parked(connection: Connection, after: CaseId | None, most: int) -> CaseId | None:
    """Look again at some parked cases, in key order: a newer build may know what stopped them.

    Returns the last case looked at, or None when there are no more.
    """
    async with connection.transaction():
        await hold_pointer(connection)
        case_ids = [CaseId(row[0]) for row in await connection.fetch(_PARKED_CASES, after, most)]
        if not case_ids:
            return None
        try:
            async with connection.transaction():
                desk = Desk()
                await load(connection, desk, case_ids)
                await open_queues(connection, desk, case_ids)
                for file in desk.ordered:
                    retry(file)
                await _write(connection, desk)
        except BAD_VALUES as fault:
            # They stay as they were: parked.
            _log.warning("parked_cases_stay", cases=len(case_ids), fault=type(fault).__name__)
            return case_ids[-1]
        await changes.record(connection, desk.ordered)
    return case_ids[-1]


async def _fold_or_halve(connection: Connection, arrivals: Sequence[Arrival]) -> list[Desk]:
    """Fold; when the database does not take a value, find the record by halving and park it."""
    try:
        async with connection.transaction():
            return [await _fold(connection, arrivals)]
    except BAD_VALUES as fault:
        if len(arrivals) > 1:
            middle = len(arrivals) // 2
            first = await _fold_or_halve(connection, arrivals[:middle])
            return first + await _fold_or_halve(connection, arrivals[middle:])
        failing = arrivals[0].failing(Fault.UNFOLDABLE.saying(type(fault).__name__))
    async with connection.transaction():
        return [await _fold(connection, [failing])]


async def _fold(connection: Connection, arrivals: Sequence[Arrival]) -> Desk:
    by_case: dict[CaseId, list[Arrival]] = {}
    for arrival in arrivals:
        by_case.setdefault(arrival.case_id, []).append(arrival)
    desk = Desk()
    await load(connection, desk, list(by_case))
    await take(connection, desk, by_case)
    await _write(connection, desk)
    return desk


async def take(
    connection: Connection, desk: Desk, by_case: Mapping[CaseId, Sequence[Arrival]]
) -> None:
    """Admit records to cases that lie on the desk; nothing is written."""
    reopened = [
        case_id for case_id, mine in by_case.items() if needs_queue(desk.files[case_id], mine)
    ]
    await open_queues(connection, desk, reopened)
    for case_id, mine in by_case.items():
        file = desk.files[case_id]
        flowed = file.parked is None
        for arrival in mine:
            admit(file, arrival)
        if flowed and file.parked is not None:
            desk.newly_parked += 1
            _log.warning("casebook_parked", case=str(case_id), reason=file.parked)


async def load(connection: Connection, desk: Desk, case_ids: Sequence[CaseId]) -> None:
    """Put cases on the desk that do not lie there, with what waits in them."""
    desk.files.update((case_id, CaseFile(case_id)) for case_id in case_ids)
    waits = []
    for row in await connection.fetch(_LOAD, case_ids):
        file = desk.files[row["case_id"]]
        desk.known.add(file.case_id)
        file.seen = read_seen(row["seen"])
        file.standing = Standing.read(row["standing"])
        file.listed = file.standing.lodged is not None
        file.parked, file.queue_loaded = row["parked"], row["parked"] is None
        file.parked_since = row["parked_since"]
        if row["waits"]:
            waits.append(file.case_id)
    waited = await aside.load_waiting(connection, waits)
    desk.waited += waited
    for arrival in waited:
        if arrival.place is not None:
            source, sequence, _ = arrival.place
            desk.files[arrival.case_id].waiting[source, sequence] = arrival


async def open_queues(connection: Connection, desk: Desk, case_ids: Sequence[CaseId]) -> None:
    """Put the parked records of cases before those that came since."""
    closed = [case_id for case_id in case_ids if not desk.files[case_id].queue_loaded]
    desk.reopened += closed
    parked = await aside.load_parked(connection, closed)
    for case_id in closed:
        file = desk.files[case_id]
        file.queue_loaded = True
        file.queue = [each for each in parked if each.case_id == case_id] + file.queue


async def _write(connection: Connection, desk: Desk) -> None:
    """Everything that changed, each table in bulk, in key order."""
    files = desk.ordered
    await keep_aside(connection, desk)
    await keep(connection, files, desk.known)
    await timeline.project(connection, files)
    await notices.project(connection, files)
    await names.project(connection, files)
    await department.project(connection, files)


async def keep_aside(connection: Connection, desk: Desk) -> None:
    """What waits and what is parked, and since when."""
    files = desk.ordered
    await aside.keep_waiting(connection, files, desk.waited)
    await aside.keep_parked(connection, files, desk.reopened)
    await setbacks.keep(connection, files)


async def keep(
    connection: Connection, files: Sequence[CaseFile], known: Collection[CaseId]
) -> None:
    """The cases as folded so far, and where they stand."""
    before, fresh = list[CaseFile](), list[CaseFile]()
    for file in files:
        (before if file.case_id in known else fresh).append(file)
    columns = list(COLUMNS)
    await copied(connection, "cases", columns, [line_of(file) for file in before], _SAVE)
    await copy_lines(connection, "cases", columns, [line_of(file) for file in fresh])
    await status.project(connection, files)


def line_of(file: CaseFile) -> str:
    """What is remembered of a case, as a line for COPY."""
    seen, standing = escaped(written_seen(file.seen)), escaped(file.standing.written())
    parked = NULL if file.parked is None else escaped(file.parked)
    since = NULL if file.parked_since is None else file.parked_since
    return f"{file.case_id}\t{seen}\t{standing}\t{parked}\t{since}\t{len(file.waiting)}\n"


def row_of(file: CaseFile) -> Row:
    """The same as a row of the table."""
    return row_in(line_of(file), COLUMNS)
