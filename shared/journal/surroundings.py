"""What a stage's shell stands on: its database, the vault, the law, the calendar, the people."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.clock import now
from shared.decider import Decider, Known, nothing_due, nothing_on_time, nothing_to_carry
from shared.directory import DepartmentCase, Directory, evolve_department
from shared.events.event import Event
from shared.holding import ResolveParked, resolve_parked
from shared.identifiers import DEPARTMENT, CaseId, Source
from shared.journal.kept import Kept
from shared.journal.rows import AnyDecider
from shared.journal.work import Work
from shared.observability import metrics
from shared.postgres.pool import Connection, Pool
from shared.privacy.keys import Vault
from shared.procedures.catalogue import Catalogue
from shared.procedures.working_time import WorkingCalendar

_DIRECTORY: Final = "SELECT seen, state FROM cases WHERE case_id = $1"
_LOADS: Final = "SELECT claim, count(*) AS open FROM cases WHERE claim IS NOT NULL GROUP BY claim"


@dataclass
class Stage:
    """One stage's decider with everything the shell needs to run it.

    `department` decides on the department itself: routing's own decider there, in the other
    stages one that only listens. `weighs_loads`: its rules look at how busy each executor is.
    """

    cases: AnyDecider
    pool: Pool
    vault: Vault
    procedures: Catalogue
    calendar: WorkingCalendar
    department: AnyDecider
    weighs_loads: bool = False
    kept: Kept = field(default_factory=Kept)
    _directory: tuple[str, Directory] = field(default=("", Directory()))

    @property
    def source(self) -> Source:
        """Which stage this is."""
        return self.cases.source

    def decider(self, case_id: CaseId) -> AnyDecider:
        """The decider that a case belongs to."""
        return self.department if case_id == DEPARTMENT else self.cases

    def committed(self, work: Work) -> None:
        """What follows the commit of a transaction's work."""
        self.kept.put(work.cases.values())
        metrics.count_recorded(work.told)

    async def known(self, connection: Connection) -> Known:
        """The time, the law, the calendar and the people, as they stand now."""
        loads: Mapping[str, int] = {}
        if self.weighs_loads:
            loads = {row["claim"]: row["open"] for row in await connection.fetch(_LOADS)}
        return Known(
            now=now(),
            procedures=self.procedures,
            calendar=self.calendar,
            directory=await self.directory(connection),
            loads=loads,
            salt=secrets.token_urlsafe(18),
        )

    async def directory(self, connection: Connection) -> Directory:
        """The staff directory as this stage has folded it; parsed only when it changed."""
        row = await connection.fetchrow(_DIRECTORY, DEPARTMENT)
        if row is None:
            return Directory()
        if row["seen"] != self._directory[0]:
            case = DepartmentCase.read(row["state"])
            self._directory = (row["seen"], case.directory)
        return self._directory[1]


def listening(source: Source) -> Decider[Any, DepartmentCase]:
    """The department's decider of a stage that only listens to it."""
    return Decider(
        source=source,
        state=DepartmentCase,
        evolve=evolve_department,
        decide=_decides_nothing,
        react=_calls_for_nothing,
        heeds=frozenset(),
        course=lambda case: case.course,
        claim=_claims_nothing,
        due=nothing_due,
        on_time=nothing_on_time,
        errands=nothing_to_carry,
    )


def _decides_nothing(command: object, _case: DepartmentCase, known: Known) -> list[Event]:
    if isinstance(command, ResolveParked):
        return resolve_parked(command, known)
    raise TypeError("only routing decides on the department")


def _calls_for_nothing(_case_id: CaseId, _case: DepartmentCase, _known: Known) -> None:
    return None


def _claims_nothing(_case: DepartmentCase) -> None:
    return None
