"""The wishes behind routing's facts, as far as the facts say them: of cases, of the department."""

from services.routing.commands import (
    AssignByRule,
    AssignExecutor,
    DepartmentCommand,
    NameActingHead,
    RecordAbsence,
    RecordStaffMember,
    RoutingCommand,
)
from services.routing.decider import DECIDER, DEPARTMENT_DECIDER
from services.routing.state import RoutingCase
from shared.directory import DepartmentCase
from shared.events.envelope import Fact
from shared.events.holder import ParkedResolved
from shared.events.routing import (
    AbsenceRecorded,
    ActingHeadNamed,
    ExecutorAssigned,
    StaffMemberRecorded,
)
from shared.hindsight import STAND_IN, Recalled, Rules, Unknowable, recall_as_holder, text_of
from shared.holding import ResolveParked

_LOADS = "the executors' loads of then are not on record: only that it could be this one"


def recall(fact: Fact, _case: RoutingCase) -> Recalled[RoutingCommand]:
    """One branch for each event. Raises Unknowable.

    Of a rule's choice only this can be judged: whether the executor could have been chosen.
    """
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    match fact.event:
        case ExecutorAssigned(executor=executor) if actor.startswith("rule:"):
            choosing, favour = AssignByRule(case_id, actor), {executor: -1}
            return Recalled(choosing, possible={"executor": _LOADS}, loads=favour)
        case ExecutorAssigned(executor=executor):
            return Recalled(AssignExecutor(case_id, actor, executor, text_of(fact)))
        case _:
            return Recalled(recall_as_holder(fact).command)


def recall_department(fact: Fact, _case: DepartmentCase) -> Recalled[DepartmentCommand]:
    """One branch for each event. Raises Unknowable."""
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    command: DepartmentCommand
    match fact.event:
        case StaffMemberRecorded() as event:
            command = RecordStaffMember(
                case_id, actor, event.staff, event.office, event.roles, event.active, STAND_IN
            )
        case AbsenceRecorded() as event:
            days = (event.first_day, event.last_day)
            command = RecordAbsence(case_id, actor, event.staff, *days, event.reason)
        case ActingHeadNamed() as event:
            days = (event.first_day, event.last_day)
            command = NameActingHead(case_id, actor, event.role, event.office, event.staff, *days)
        case ParkedResolved():
            resolved = recall_as_holder(fact).command
            assert isinstance(resolved, ResolveParked)
            command = resolved
        case _:
            raise Unknowable("no rule of this build tells such a fact of the department")
    return Recalled(command)


RULES: Rules[RoutingCommand, RoutingCase] = Rules(DECIDER, recall)
DEPARTMENT_RULES: Rules[DepartmentCommand, DepartmentCase] = Rules(
    DEPARTMENT_DECIDER, recall_department
)
