"""One poll of the log is one transaction: the reading rule, the projections, the offsets (D5, D6).

Nothing here knows Kafka: a rebuild into another schema folds with the same function.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from services.casebook import aside, changes, offsets
from services.casebook.admission import CaseFile, admit, needs_queue, retry
from services.casebook.arrivals import Arrival, Fault
from services.casebook.bulk import copied
from services.casebook.projections import department, names, notices, status, timeline
from services.casebook.standing import Standing
from shared.identifiers import CaseId
from shared.messaging.reading import read_seen, written_seen
from shared.postgres.pool import Connection

_log = structlog.get_logger()

# What one record can do to a whole transaction: values that the tables do not take.
_BAD_VALUES: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)

_LOAD: Final = """
SELECT case_id, seen, standing, parked, waits FROM cases WHERE case_id = ANY ($1::uuid[])
"""
_COLUMNS: Final = ("case_id", "seen", "standing", "parked", "waits")
_SAVE: Final = """
INSERT INTO cases (case_id, seen, standing, parked, waits)
SELECT case_id, seen, standing, parked, waits FROM fresh
ON CONFLICT (case_id) DO UPDATE SET seen = excluded.seen, standing = excluded.standing,
    parked = excluded.parked, waits = excluded.waits
"""
_PARKED_CASES: Final = """
SELECT case_id FROM cases WHERE parked IS NOT NULL AND ($1::uuid IS NULL OR case_id > $1)
ORDER BY case_id LIMIT $2
"""


@dataclass(slots=True)
class Desk:
    """The cases of one transaction in memory, and what stood aside of them before."""

    files: dict[CaseId, CaseFile]
    waited: list[Arrival] = field(default_factory=list)
    reopened: list[CaseId] = field(default_factory=list)
    newly_parked: int = 0

    @property
    def ordered(self) -> list[CaseFile]:
        """In key order, as rows are written."""
        return [self.files[case_id] for case_id in sorted(self.files)]


async def fold(connection: Connection, arrivals: Sequence[Arrival]) -> int:
    """Fold one poll and move the offsets behind it, all or nothing; how many cases it parked.

    Raises:
        Conflict: another replica folded these records.
        asyncpg.PostgresError, OSError: the database; nothing was folded.
    """
    async with connection.transaction():
        desks = await _fold_or_halve(connection, arrivals)
        await offsets.move(connection, arrivals)
        for desk in desks:
            await changes.record(connection, desk.ordered)
    return sum(desk.newly_parked for desk in desks)


async def retry_parked(connection: Connection, after: CaseId | None, most: int) -> CaseId | None:
    """Look again at some parked cases, in key order: a newer build may know what stopped them.

    Returns the last case looked at, or None when there are no more.
    """
    async with connection.transaction():
        case_ids = [CaseId(row[0]) for row in await connection.fetch(_PARKED_CASES, after, most)]
        if not case_ids:
            return None
        try:
            async with connection.transaction():
                desk = await _load(connection, case_ids, reopened=case_ids)
                for file in desk.ordered:
                    retry(file)
                await _write(connection, desk)
        except _BAD_VALUES as fault:
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
    except _BAD_VALUES as fault:
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
    desk = await _load_for(connection, by_case)
    for case_id, mine in by_case.items():
        file = desk.files[case_id]
        flowed = file.parked is None
        for arrival in mine:
            admit(file, arrival)
        if flowed and file.parked is not None:
            desk.newly_parked += 1
            _log.warning("casebook_parked", case=str(case_id), reason=file.parked)
    await _write(connection, desk)
    return desk


async def _load_for(connection: Connection, by_case: dict[CaseId, list[Arrival]]) -> Desk:
    desk = await _load(connection, list(by_case), reopened=())
    reopened = [
        file.case_id for file in desk.files.values() if needs_queue(file, by_case[file.case_id])
    ]
    await _open_queues(connection, desk, reopened)
    return desk


async def _load(
    connection: Connection, case_ids: Sequence[CaseId], reopened: Sequence[CaseId]
) -> Desk:
    """The cases with what waits in them, and with the parked records of those `reopened`."""
    desk = Desk({case_id: CaseFile(case_id) for case_id in case_ids})
    waits = []
    for row in await connection.fetch(_LOAD, case_ids):
        file = desk.files[row["case_id"]]
        file.seen = read_seen(row["seen"])
        file.standing = Standing.read(row["standing"])
        file.parked, file.queue_loaded = row["parked"], row["parked"] is None
        if row["waits"]:
            waits.append(file.case_id)
    desk.waited = await aside.load_waiting(connection, waits)
    for arrival in desk.waited:
        if arrival.place is not None:
            source, sequence, _ = arrival.place
            desk.files[arrival.case_id].waiting[source, sequence] = arrival
    await _open_queues(connection, desk, reopened)
    return desk


async def _open_queues(connection: Connection, desk: Desk, case_ids: Sequence[CaseId]) -> None:
    desk.reopened.extend(case_ids)
    for case_id in case_ids:
        desk.files[case_id].queue_loaded = True
    for arrival in await aside.load_parked(connection, case_ids):
        desk.files[arrival.case_id].queue.append(arrival)


async def _write(connection: Connection, desk: Desk) -> None:
    """Everything that changed, each table by one bulk statement, in key order."""
    files = desk.ordered
    await aside.keep_waiting(connection, files, desk.waited)
    await aside.keep_parked(connection, files, desk.reopened)
    rows = [
        (
            file.case_id,
            written_seen(file.seen),
            file.standing.written(),
            file.parked,
            len(file.waiting),
        )
        for file in files
    ]
    await copied(connection, "cases", _COLUMNS, rows, _SAVE)
    await status.project(connection, files)
    await timeline.project(connection, files)
    await notices.project(connection, files)
    await names.project(connection, files)
    await department.project(connection, files)
