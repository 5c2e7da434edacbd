"""What a stage is made of: pure functions, joined to the world by a shell that is written once.

    react   what stands in a case   → a command, or nothing      (after a foreign fact was folded)
    decide  a command and the case  → events, or Refused
    evolve  the case and a fact     → the case

No clock, randomness or I/O in them. What they need of the world comes in as `Known`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, cached_property, partial
from typing import Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from shared.clock import DEPARTMENT_ZONE
from shared.course import Course
from shared.directory import Directory
from shared.events.envelope import Fact
from shared.events.event import Event, Private
from shared.identifiers import CaseId, EventId, Role, Source, Step
from shared.procedures.catalogue import Catalogue
from shared.procedures.due import Due
from shared.procedures.models import Procedure
from shared.procedures.working_time import WorkingCalendar, due_after
from shared.state import State


@dataclass(frozen=True)
class Known:
    """What the shell knows when it decides: the time, the law, the calendar, the people.

    The cases of a batch are decided at one instant, so what follows from it is found out once.
    `loads` counts the open cases of each executor; it is only filled for routing. `salt` is fresh
    randomness for digests of private texts.
    """

    now: datetime
    procedures: Catalogue
    calendar: WorkingCalendar
    directory: Directory
    loads: Mapping[str, int] = field(default_factory=dict)
    salt: str = ""
    zone: ZoneInfo = DEPARTMENT_ZONE

    @cached_property
    def today(self) -> date:
        """The date in the city now."""
        return self.now.astimezone(self.zone).date()

    @cached_property
    def present_executors(self) -> Callable[[str], tuple[str, ...]]:
        """The responsible executors of an office who are at work today, by name."""
        return cache(partial(self.directory.present_executors, day=self.today))

    def due(self, course: Course, step: Step) -> Due:
        """When `step` is due if its term starts now, by the edition the case was lodged under."""
        if course.lodged is None:
            raise ValueError("a case that was not lodged has no terms")
        return self.term(
            self.procedures.procedure(course.lodged.procedure, course.lodged.edition), step
        )

    def term(self, procedure: Procedure, step: Step, start: datetime | None = None) -> Due:
        """When a step of a procedure is due if its term starts then; without `start`: now."""
        start = start or self.now
        key = (procedure.id, procedure.edition, step, start)
        found = self._terms.get(key)
        if found is None:
            regulated = procedure.step(step)
            found = due_after(
                start, regulated.within, self.calendar, regulated.clause, zone=self.zone
            )
            self._terms[key] = found
        return found

    @cached_property
    def _terms(self) -> dict[tuple[str, str, Step, datetime], Due]:
        return {}


class Command(Protocol):
    """A wish that a rule may refuse. Lives and dies inside one service.

    `actor` is written as in the envelope: `staff:aigul`, `rule:least-loaded`, `operator:timur`.
    """

    @property
    def case_id(self) -> CaseId: ...

    @property
    def actor(self) -> str: ...


class CaseState(Protocol):
    """A stage's state of a case: its own half and what it heard from the others."""

    @property
    def course(self) -> Course: ...


@dataclass(frozen=True, slots=True)
class Errand:
    """A call to the outside, to be made once. `event_id` is the receiver's idempotency key."""

    event_id: EventId
    case_id: CaseId
    kind: str


C = TypeVar("C")
S = TypeVar("S", bound=State)


def nothing_due(_case: State) -> datetime | None:
    """For cases without a term."""
    return None


def nothing_on_time(_case_id: CaseId, _at: datetime) -> None:
    """Goes with it."""
    return


def nothing_to_carry(_fact: Fact, _case: State) -> Sequence[Errand]:
    """For stages that never touch the outside."""
    return ()


@dataclass(frozen=True)
class Decider(Generic[C, S]):
    """One stage's pure functions, as the shell takes them.

    `heeds` names the events after which `react` is asked. `claim` says what an open case takes up
    for others (in intake the applicant and the service, in routing an executor), or None.
    `due` says when a case wants to be looked at again, or None; the shell then gives `on_time` the
    case and that instant (D16).
    """

    source: Source
    state: type[S]
    evolve: Callable[[S, Fact], S]
    decide: Callable[[C, S, Known], Sequence[Event]]
    react: Callable[[CaseId, S, Known], C | None]
    heeds: frozenset[type[Event]]
    course: Callable[[S], Course]
    claim: Callable[[S], str | None]
    due: Callable[[S], datetime | None]
    on_time: Callable[[CaseId, datetime], C | None]
    errands: Callable[[Fact, S], Sequence[Errand]]


__all__ = [
    "CaseState",
    "Command",
    "Decider",
    "Errand",
    "Event",
    "Known",
    "Private",
    "Role",
    "nothing_due",
    "nothing_on_time",
    "nothing_to_carry",
]
