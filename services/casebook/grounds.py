"""What facts are decided on again: the rules, the law, the calendars, the people of that time.

Pure but for the calendars, which are asked for by the names under which dues were recorded.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.directory import DepartmentCase, Directory, evolve_department
from shared.events.envelope import Envelope, Fact, ProcedureRef
from shared.hindsight import RuleBook, Unknowable
from shared.identifiers import Source
from shared.procedures.catalogue import Catalogue
from shared.procedures.working_time import WorkingCalendar, calendar_from_holidays
from shared.terms import STEP_OF

READ_LATE_MAX: Final = timedelta(seconds=60)
"""So late a stage may have read of the department: the two topics have no common order."""
_YEARS_MAX: Final = 20
_NO_YEAR: Final = frozenset({0})


class People:
    """The staff directory as it was at any time."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        case = DepartmentCase()
        self._times: list[datetime] = []
        self._directories: list[Directory] = [case.directory]
        for fact in facts:
            case = evolve_department(case, fact)
            self._times.append(fact.envelope.time)
            self._directories.append(case.directory)

    def at(self, moment: datetime) -> list[Directory]:
        """What a stage may have known then: the newest first."""
        last = bisect_right(self._times, moment)
        first = bisect_right(self._times, moment - READ_LATE_MAX)
        return self._directories[first : last + 1][::-1]


@dataclass
class Grounds:
    """See the module."""

    book: RuleBook
    procedures: Catalogue
    people: People
    calendars: Callable[[str], WorkingCalendar]
    _lawful: dict[str, str | None] = field(default_factory=dict)
    _clauses: dict[tuple[str, Source], str | None] = field(default_factory=dict)

    def require_law(self, written: str) -> None:
        """Raises Unknowable when the text of the law that a fact names is not here."""
        if written not in self._lawful:
            self._lawful[written] = self._fault_of(written)
        fault = self._lawful[written]
        if fault is not None:
            raise Unknowable(fault)

    def clause_of(self, envelope: Envelope) -> str | None:
        """The clause of the step that a source carries out, by the edition that a fact names."""
        key = (envelope.procedure, envelope.source)
        if key not in self._clauses:
            self._clauses[key] = self._clause_of(*key)
        return self._clauses[key]

    def _clause_of(self, written: str, source: Source) -> str | None:
        if written == "department":
            return None
        named = ProcedureRef.parse(written)
        found = self.procedures.procedures.get((named.id, named.edition))
        return None if found is None else found.step(STEP_OF[source]).clause

    def _fault_of(self, written: str) -> str | None:
        if written == "department":
            return None
        named = ProcedureRef.parse(written)
        name = f"{named.id}, edition {named.edition}"
        found = self.procedures.procedures.get((named.id, named.edition))
        if found is None:
            return f"this build has no text of {name}"
        if found.digest != named.digest:
            return f"the text of {name} is another one here (sha256 {found.digest[:12]}…)"
        return None


@dataclass
class Calendars:
    """Calendars by the names under which dues were recorded.

    One that this build does not have is given without a single day: a due in minutes is computed
    from it as ever, and a due in working days raises OutsideCalendar.
    """

    _known: dict[str, WorkingCalendar] = field(default_factory=dict)

    def named(self, version: str) -> WorkingCalendar:
        """The calendar of that name."""
        if version not in self._known:
            self._known[version] = _calendar(version)
        return self._known[version]


def _calendar(version: str) -> WorkingCalendar:
    years = _years(version.rsplit("-", 2)[1:])
    if years:
        found = calendar_from_holidays(years)
        if found.version == version:
            return found
    return WorkingCalendar(version, frozenset(), frozenset(), _NO_YEAR)


def _years(ends: Sequence[str]) -> range:
    if len(ends) != 2 or not all(end.isdigit() and len(end) == 4 for end in ends):  # noqa: PLR2004
        return range(0)
    return range(int(ends[0]), min(int(ends[1]) + 1, int(ends[0]) + _YEARS_MAX))
