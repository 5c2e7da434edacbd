"""What all holders of a case share: three commands with their rules, and the guards of all rules.

A case is held by one stage at a time (D8). Whoever holds it answers a wish to withdraw, says when
a term ran out, and, whether it holds or not, notes what an operator did about a parked record.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn, Protocol, assert_never

from shared.course import Course, Lodged
from shared.decider import Known
from shared.errors import Because, Refused
from shared.events.event import Event, Remark
from shared.events.holder import (
    CaseWithdrawn,
    ParkedResolved,
    PassedOver,
    StageOverdue,
    WithdrawalDeclined,
)
from shared.identifiers import DEPARTMENT, CaseId, EventId, Role, Source, Step
from shared.procedures.models import Procedure
from shared.terms import STEP_OF, Terms


class HeldCase(Protocol):
    """The part of a stage's state that the shared rules read."""

    @property
    def course(self) -> Course: ...

    @property
    def terms(self) -> Terms: ...


# ---- commands that every stage knows ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WithdrawCase:
    """Answer the oldest wish to withdraw that nobody has answered."""

    case_id: CaseId
    actor: str


@dataclass(frozen=True, slots=True)
class MarkOverdue:
    """The clock has passed `due`, which was the term of `step`."""

    case_id: CaseId
    actor: str
    step: Step
    due: datetime


@dataclass(frozen=True, slots=True)
class ResolveParked:
    """An operator retried or skipped a record of this case that was set aside."""

    case_id: CaseId
    actor: str
    partition: int
    offset: int
    how: Literal["retried", "skipped"]
    reason: str
    record: EventId | None = None
    """The event in the record, if it is one."""
    passed: PassedOver | None = None
    """The places that the case goes on without, if any."""


HolderCommand = WithdrawCase | MarkOverdue | ResolveParked


# ---- their rules --------------------------------------------------------------------------------


def decide_as_holder(
    command: HolderCommand, case: HeldCase, source: Source, known: Known
) -> list[Event]:
    """One function for each command, like the stages' own `decide`."""
    match command:
        case WithdrawCase():
            return withdraw_case(case.course, source, known)
        case MarkOverdue():
            return mark_overdue(command, case, source, known)
        case ResolveParked():
            return resolve_parked(command, known)
        case _:
            assert_never(command)


def withdraw_case(course: Course, source: Source, known: Known) -> list[Event]:
    """The holder lets the case go; the last holder of a finished case says it is too late."""
    request = course.open_request
    if request is None or course.holder is not source:
        return []
    if course.held_by(source):
        return [CaseWithdrawn(request=request, withdrawn_at=known.now)]
    return [WithdrawalDeclined(request=request, declined_at=known.now)]


def mark_overdue(command: MarkOverdue, case: HeldCase, source: Source, known: Known) -> list[Event]:
    """The holder says, once for each due, that a term ran out; nobody else says anything."""
    ended = term_end(case, source)
    due = case.terms.standing(case.course)
    if ended is None or due is None or ended > command.due or STEP_OF[source] is not command.step:
        return []
    return [StageOverdue(step=command.step, due=due, noticed_at=known.now)]


def resolve_parked(command: ResolveParked, known: Known) -> list[Event]:
    """An operator answers for what was done with a parked record, and says why."""
    # The directory itself may be what is parked: then nobody's role can be read from it.
    if command.case_id != DEPARTMENT or not command.actor.startswith("operator:"):
        only_operator(known, command.actor)
    return [
        ParkedResolved(
            record=command.record,
            partition=command.partition,
            offset=command.offset,
            how=command.how,
            passed=command.passed,
            resolved_at=known.now,
            private=Remark(text=given(command.reason, "an operator gives a reason", "reason")),
        )
    ]


def answer_withdrawal(case_id: CaseId, course: Course, source: Source) -> WithdrawCase | None:
    """What an open wish to withdraw calls for: its answer, if it is this stage's to give."""
    if course.open_request is None or course.lodged is None or course.holder is not source:
        return None
    return WithdrawCase(case_id=case_id, actor="rule:withdrawal")


def term_end(case: HeldCase, source: Source) -> datetime | None:
    """When the term of the holder's step ends (R2 5, R3 5, R4 5); None for all others, and once its
    end was said."""
    if not case.course.held_by(source):
        return None
    kept = case.terms.kept(case.course)
    return None if kept is None or kept.at in case.terms.overdue else kept.at


def overdue_on_time(case_id: CaseId, due: datetime, source: Source) -> MarkOverdue:
    """What the holder wishes at the end of its term."""
    return MarkOverdue(case_id=case_id, actor="rule:deadline", step=STEP_OF[source], due=due)


# ---- guards -------------------------------------------------------------------------------------


def known_here(course: Course) -> Lodged:
    """The application, for a command on a case that this stage has heard of."""
    if course.lodged is None:
        raise Refused(
            "the case is known here",
            expected="a lodged application",
            found="none",
            because=Because.UNKNOWN,
        )
    return course.lodged


def running(course: Course) -> Lodged:
    """The application of a case that is not over, as far as this stage knows."""
    lodged = known_here(course)
    if course.ending is not None:
        raise Refused("the case runs", expected="a running case", found=f"over: {course.ending}")
    return lodged


def held_here(course: Course, source: Source) -> Lodged:
    """The application of a running case that `source` holds: only the holder decides (D8)."""
    lodged = running(course)
    if course.holder is not source:
        raise Refused(
            "only the holder of a case decides on it",
            expected=f"held by {source.value}",
            found=f"held by {course.holder.value}",
        )
    return lodged


def only(known: Known, actor: str, role: Role, office: str, clause: str) -> str:
    """The member of staff who acts, if the directory grants the role in that office today."""
    kind, _, staff = actor.partition(":")
    roles = known.directory.roles_of(staff, office, known.today) if kind == "staff" else ()
    if role not in roles:
        _refuse_actor(f"only the {role.value} of the office does this", role, actor, clause)
    return staff


def present_executor(known: Known, staff: str, office: str, clause: str) -> None:
    """A case is given only to a responsible executor of its office who is at work today."""
    if staff not in known.present_executors(office):
        raise Refused(
            "a case is given to an executor who is at work",
            expected="a responsible executor of the office, at work today",
            found=staff,
            because=Because.INPUT,
            clause=clause,
            field="executor",
        )


def only_by_rule(course: Course, actor: str, step: Step, clause: str) -> None:
    """A step runs without a person only where the case was lodged so."""
    by_rule = course.lodged.by_rule if course.lodged is not None else ()
    if not actor.startswith("rule:") or step not in by_rule:
        raise Refused(
            "a rule acts only where the case was lodged so",
            expected=f"a rule, and the step {step.value} by rule",
            found=f"{actor}, by rule: {', '.join(by_rule) or 'no step'}",
            because=Because.ACTOR,
            clause=clause,
        )


def only_operator(known: Known, actor: str) -> None:
    """An operator of the system, whose own office does not matter. Outside the resolution."""
    kind, _, staff = actor.partition(":")
    member = known.directory.members.get(staff)
    office = member.office if member is not None and kind == "operator" else ""
    if Role.OPERATOR not in known.directory.roles_of(staff, office, known.today):
        _refuse_actor("only an operator does this", Role.OPERATOR, actor, None)


def _refuse_actor(rule: str, role: Role, actor: str, clause: str | None) -> NoReturn:
    raise Refused(
        rule,
        expected=f"{role.value}, at work today",
        found=actor,
        because=Because.ACTOR,
        clause=clause,
    )


def given(text: str, rule: str, field: str) -> str:
    """A text that a person has to give, without the blanks around it."""
    stripped = text.strip()
    if not stripped:
        raise Refused(rule, expected="a text", found="none", because=Because.INPUT, field=field)
    return stripped


def regulation(known: Known, lodged: Lodged) -> Procedure:
    """The procedure in the edition under which the case was lodged."""
    return known.procedures.procedure(lodged.procedure, lodged.edition)
