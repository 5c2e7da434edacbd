"""A long stretch of the log folded fast, into tables that nobody reads yet.

The same rule and the same fold as for a live batch; what differs is the writing. A transaction is
a long run of records: timelines are copied in as they come, each case is written once at its end,
and cases that are new go by COPY. No change is told. Killed at any point, it goes on from the
offsets, which are moved in the same transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.casebook import folding, offsets
from services.casebook.arrivals import Arrival, arrivals_of, up_to
from services.casebook.bulk import Row
from services.casebook.folding import BAD_VALUES, Desk
from services.casebook.offsets import Passed
from services.casebook.projections import department, names, notices, timeline
from services.casebook.schemas import hold_pointer
from shared.identifiers import CaseId
from shared.messaging.log import Log
from shared.messaging.log import Place as Partition
from shared.postgres.pool import Connection

_log = structlog.get_logger()

RUN_MAX: Final = 100_000
"""Records of one transaction: what a kill can cost again."""
CASES_MAX: Final = 20_000
"""Cases of one transaction: what lies in memory."""
POLL_MAX: Final = 500
"""Records between two looks at whatever else the process has to do. Few: a record is read, folded
and written as a line while it is still in the processor's cache."""
LINES_MAX: Final = 20_000
"""Facts that are written at once: what lies in memory."""

Advance = Callable[[int], None]


class Stretch:
    """The stretch of some partitions from where their tables stand up to given ends."""

    def __init__(
        self, connection: Connection, log: Log, ends: Mapping[Partition, int], advance: Advance
    ) -> None:
        self._connection = connection
        self._log = log
        self._ends = ends
        self._advance = advance
        self._reached: dict[Partition, int] = {}

    async def fold(self) -> None:
        """All of it.

        Raises:
            Conflict: somebody else folds into these tables.
            Unavailable: the log gives no records.
        """
        everywhere = await offsets.load(self._connection)
        self._reached = {place: everywhere[place].next for place in self._ends}
        self._log.seek(self._reached)
        while self._is_behind():
            begun = dict(self._reached)
            try:
                async with self._connection.transaction():
                    await hold_pointer(self._connection)
                    await self._run()
            except BAD_VALUES as fault:
                _log.warning("folded_slowly", fault=type(fault).__name__)
                await self._fold_slowly(begun)

    def _is_behind(self) -> bool:
        return any(self._reached[place] < end for place, end in self._ends.items())

    async def _run(self) -> None:
        """One transaction."""
        desk, pile, passed = Desk(), _Pile(), Passed()
        count = 0
        async for found in self._log.read_as(self._ends, POLL_MAX, arrivals_of):
            arrivals = up_to(self._ends, found)
            self._reached |= passed.by(arrivals).reached
            await self._take(desk, pile, arrivals)
            count += len(arrivals)
            if count >= RUN_MAX or len(desk.files) >= CASES_MAX:
                break
            if len(pile.lines) >= LINES_MAX:
                await self._write(pile)
        if not count:
            return
        await folding.keep_aside(self._connection, desk)
        await self._write(pile)
        await self._keep(desk)
        await offsets.move(self._connection, passed)
        await offsets.tell_from_here(self._connection, passed.last)
        self._advance(count)

    async def _take(self, desk: Desk, pile: "_Pile", arrivals: Sequence[Arrival]) -> None:
        """Admit one poll, and put what was told on the pile."""
        by_case: dict[CaseId, list[Arrival]] = {}
        for arrival in arrivals:
            by_case.setdefault(arrival.case_id, []).append(arrival)
        fresh = [each for each in by_case if each not in desk.files]
        if fresh:
            await folding.load(self._connection, desk, fresh)
        await folding.take(self._connection, desk, by_case)
        files = [desk.files[case_id] for case_id in by_case]
        pile.lines += [timeline.line_of(file, told) for file in files for told in file.told]
        pile.notices += [row for file in files for row in notices.rows_of(file)]
        pile.lodged += names.lodged_in(files)
        await department.project(self._connection, files)
        for file in files:
            file.told.clear()

    async def _write(self, pile: "_Pile") -> None:
        """What lies on the pile."""
        await timeline.add(self._connection, pile.lines)
        await notices.add(self._connection, pile.notices)
        await names.note(self._connection, pile.lodged)
        pile.lines, pile.notices, pile.lodged = [], [], []

    async def _keep(self, desk: Desk) -> None:
        """The cases and where they stand."""
        files = desk.ordered
        await folding.keep(self._connection, files, desk.known)
        await timeline.erase(self._connection, files)
        erased = [file.case_id for file in files if file.stands and file.standing.erased]
        if erased:
            await names.forget(self._connection, erased)

    async def _fold_slowly(self, begun: dict[Partition, int]) -> None:
        """What a transaction did not take, as live batches: they find the record and park it."""
        self._log.seek(begun)
        upto = self._reached
        async for found in self._log.read_as(upto, POLL_MAX, arrivals_of):
            if arrivals := up_to(upto, found):
                await folding.fold(self._connection, arrivals)
                self._advance(len(arrivals))
        # What was told of on the way is of no use: what came before it is missing.
        await offsets.tell_from_here(self._connection, upto)
        self._log.seek(upto)


@dataclass(slots=True)
class _Pile:
    """What is to be written, as far as no later record can change it."""

    lines: list[str] = field(default_factory=list)
    """Of timelines."""
    notices: list[Row] = field(default_factory=list)
    lodged: list[CaseId] = field(default_factory=list)
    """Cases with a name to be read."""
