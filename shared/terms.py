"""What a stage keeps of a case besides its course: the terms it was given, and who answers for it.

Like the course, both are folded in halves, one for each source: the order in which facts of
different sources are read changes nothing (D8).
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Self

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.executor import ExecutorReassigned, NotificationDrafted
from shared.events.holder import StageOverdue
from shared.events.intake import ApplicationLodged, ApplicationRegistered
from shared.events.routing import ExecutorAssigned
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.identifiers import Source, Step
from shared.procedures.due import Due, DueRule
from shared.state import State

STEP_OF: Final[Mapping[Source, Step]] = MappingProxyType(
    {
        Source.INTAKE: Step.REGISTER,
        Source.ROUTING: Step.ASSIGN,
        Source.EXECUTOR: Step.DRAFT,
        Source.SIGNING: Step.SIGN,
        Source.NOTIFY: Step.ISSUE,
    }
)
"""The one step of the regulations that each stage carries out (R2 5, R3 5, R4 5)."""


_OF_A_STAGE: Final = frozenset({StageOverdue, ApplicationLodged})
_NAME_AN_EXECUTOR: Final = (ExecutorAssigned, ExecutorReassigned)


class KeptDue(State, frozen=True):
    """A due as a state keeps it; the law's own model of it is made again when it is asked for."""

    at: datetime
    rule: DueRule
    calendar: str
    clause: str

    @classmethod
    def of(cls, due: Due) -> Self:
        """What is kept of a due: all of it."""
        return cls(at=due.at, rule=due.rule, calendar=due.calendar, clause=due.clause)

    @property
    def due(self) -> Due:
        """The due that was kept."""
        return Due(at=self.at, rule=self.rule, calendar=self.calendar, clause=self.clause)


class Term(State, frozen=True):
    """The due of one turn, and who set it."""

    turn: int
    set_by: Source
    kept: KeptDue


class Terms(State, frozen=True):
    """The dues a stage was given, by turn, and those it has already said to be over."""

    given: tuple[Term, ...] = ()
    overdue: tuple[datetime, ...] = ()

    def heard(self, fact: Fact, stage: Source) -> Self:
        """The terms after one more fact, in whatever order facts of different sources come."""
        if fact.entry.hands_to is not stage and fact.model not in _OF_A_STAGE:
            return self
        match fact.event:
            case StageOverdue(due=due) if fact.envelope.source is stage:
                return self.but({"overdue": (*self.overdue, due.at)})
            case ApplicationLodged(due=due) if stage is Source.INTAKE:
                return self._with(Term(turn=0, set_by=Source.INTAKE, kept=KeptDue.of(due)))
            case (
                ApplicationRegistered(due=due)
                | ExecutorAssigned(due=due)
                | NotificationDrafted(due=due)
                | NotificationReturned(due=due)
                | NotificationSigned(due=due)
            ) if fact.entry.hands_to is stage:
                turn, giver = fact.envelope.turn + 1, fact.envelope.source
                return self._with(Term(turn=turn, set_by=giver, kept=KeptDue.of(due)))
            case _:
                return self

    def _with(self, term: Term) -> Self:
        if any((old.turn, old.set_by) == (term.turn, term.set_by) for old in self.given):
            return self
        given = sorted((*self.given, term), key=lambda old: (old.turn, old.set_by))
        return self.but({"given": tuple(given)})

    def standing(self, course: Course) -> Due | None:
        """The due of the turn that runs, as whoever held the turn before set it."""
        kept = self.kept(course)
        return None if kept is None else kept.due

    def kept(self, course: Course) -> KeptDue | None:
        """The same, as it is kept."""
        path = course.path
        turn = len(path) - 1
        giver = path[max(turn - 1, 0)]
        for term in self.given:
            if (term.turn, term.set_by) == (turn, giver):
                return term.kept
        return None


class Responsible(State, frozen=True):
    """Who answers for the case: the executor named, or the one named in their place."""

    assigned: str = ""
    """Empty while nobody is named."""
    reassigned: str = ""

    def heard(self, fact: Fact) -> Self:
        """The first assignment counts, and of the reassignments the last."""
        if not issubclass(fact.model, _NAME_AN_EXECUTOR):
            return self
        match fact.event:
            case ExecutorAssigned(executor=executor) if not self.assigned:
                return self.but({"assigned": executor})
            case ExecutorReassigned(executor=executor):
                return self.but({"reassigned": executor})
            case _:
                return self

    @property
    def staff(self) -> str:
        """The responsible executor now; empty while nobody is named."""
        return self.reassigned or self.assigned
