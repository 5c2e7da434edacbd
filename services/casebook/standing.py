"""Where a case stands: folded from its facts, pure, and the same in whatever order they are read.

The course (who held the case when) is the one that every stage folds. Beside it stand the deeds:
what each binding fact sets. What is true now is found by walking the path of the holders and
heeding only the deeds of who held the turn (D8).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.executor import ExecutorReassigned, NotificationDrafted
from shared.events.holder import CaseWithdrawn, StageOverdue
from shared.events.intake import ApplicationLodged, ApplicationRegistered, RequestRejected
from shared.events.notify import ResultIssued
from shared.events.routing import ExecutorAssigned
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.identifiers import Source
from shared.procedures.due import Due
from shared.terms import STEP_OF


class Deed(BaseModel):
    """What one binding fact sets; what is None it leaves as it was."""

    model_config = ConfigDict(frozen=True)

    turn: int
    source: Source
    sequence: int
    due: Due | None = None
    whole_due: datetime | None = None
    overdue: bool | None = None
    executor: str | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None
    outcome: Literal["granted", "refused"] | None = None
    result_number: str | None = None
    lodged_at: datetime | None = None
    ended_at: datetime | None = None


class Standing(BaseModel):
    """What casebook keeps of a case. Tuples are sorted: equal facts give equal bytes."""

    model_config = ConfigDict(frozen=True)

    course: Course = Course()
    deeds: tuple[Deed, ...] = ()

    def heard(self, fact: Fact) -> Self:
        """The standing after one more fact."""
        course = self.course.heard(fact)
        deed = _deed(fact)
        if deed is None:
            return self.model_copy(update={"course": course})
        deeds = (*self.deeds, deed)
        if self.deeds and _order(self.deeds[-1]) > _order(deed):
            deeds = tuple(sorted(deeds, key=_order))
        return self.model_copy(update={"course": course, "deeds": deeds})


@dataclass(slots=True)
class Now:
    """What is true of a case now."""

    stage: Source
    turn: int
    path: tuple[Source, ...]
    state: str
    ending: str | None
    lodged_at: datetime
    due: Due | None = None
    whole_due: datetime | None = None
    overdue: bool = False
    executor: str | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None
    outcome: str | None = None
    result_number: str | None = None
    ended_at: datetime | None = None

    @property
    def step(self) -> str | None:
        """What is to be done; None when the case is over."""
        return None if self.ending is not None else STEP_OF[self.stage].value


_STATE_AT: Final = {
    Source.INTAKE: "lodged",
    Source.ROUTING: "registered",
    Source.EXECUTOR: "assigned",
    Source.SIGNING: "drafted",
    Source.NOTIFY: "signed",
}


def now_of(standing: Standing) -> Now | None:
    """What is true now; None of a case whose application has not been read."""
    course = standing.course
    lodged_at = next((deed.lodged_at for deed in standing.deeds if deed.lodged_at), None)
    if course.lodged is None or lodged_at is None:
        return None
    path = course.path
    stage, ending = path[-1], course.ending
    now = Now(stage, len(path) - 1, path, _state(path, ending), ending, lodged_at)
    for deed in standing.deeds:
        if deed.turn < len(path) and path[deed.turn] is deed.source:
            _heed(now, deed)
    if ending is not None:
        now.due = None
        now.ended_at = next(deed.ended_at for deed in standing.deeds if _ends(deed, now))
    return now


def _heed(now: Now, deed: Deed) -> None:
    """Take over what a deed of a holder sets."""
    now.due = deed.due or now.due
    now.whole_due = deed.whole_due or now.whole_due
    now.executor = deed.executor or now.executor
    now.registration_number = deed.registration_number or now.registration_number
    now.registered_at = deed.registered_at or now.registered_at
    now.outcome = deed.outcome or now.outcome
    now.result_number = deed.result_number or now.result_number
    if deed.overdue is not None:
        now.overdue = deed.overdue


def _state(path: tuple[Source, ...], ending: str | None) -> str:
    if ending is not None:
        return ending
    if path[-1] is Source.EXECUTOR and path[-2] is Source.SIGNING:
        return "returned"
    return _STATE_AT[path[-1]]


def _ends(deed: Deed, now: Now) -> bool:
    return deed.ended_at is not None and (deed.turn, deed.source) == (now.turn, now.stage)


def _deed(fact: Fact) -> Deed | None:
    """What a fact sets; None when it sets nothing. A hand-off starts a term that is not over."""
    envelope = fact.envelope
    match fact.event:
        case ApplicationLodged(due=due, lodged_at=at):
            sets: dict[str, object] = {"due": due, "overdue": False, "lodged_at": at}
        case ApplicationRegistered() as event:
            sets = {
                "due": event.due,
                "whole_due": event.whole_due.at,
                "overdue": False,
                "registration_number": event.registration_number,
                "registered_at": event.registered_at,
            }
        case ExecutorAssigned(due=due, executor=executor):
            sets = {"due": due, "overdue": False, "executor": executor}
        case ExecutorReassigned(executor=executor):
            sets = {"executor": executor}
        case NotificationDrafted(due=due, outcome=outcome):
            sets = {"due": due, "overdue": False, "outcome": outcome}
        case NotificationSigned(due=due) | NotificationReturned(due=due):
            sets = {"due": due, "overdue": False}
        case ResultIssued(result_number=number, outcome=outcome, issued_at=at):
            sets = {"result_number": number, "outcome": outcome, "ended_at": at}
        case StageOverdue():
            sets = {"overdue": True}
        case RequestRejected(rejected_at=at) | CaseWithdrawn(withdrawn_at=at):
            sets = {"ended_at": at}
        case _:
            return None
    place = {"turn": envelope.turn, "source": envelope.source, "sequence": envelope.sequence}
    return Deed.model_validate({**place, **sets})


def _order(deed: Deed) -> tuple[int, str, int]:
    return deed.turn, deed.source.value, deed.sequence
