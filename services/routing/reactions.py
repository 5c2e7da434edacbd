"""What a case now calls for at routing, without a person asking."""

from services.routing.commands import AssignByRule, DepartmentCommand, RoutingCommand
from services.routing.rules import choice
from services.routing.state import SOURCE, RoutingCase
from shared.decider import Known
from shared.directory import DepartmentCase
from shared.events.event import Event
from shared.events.intake import ApplicationRegistered, WithdrawalRequested
from shared.holding import answer_withdrawal
from shared.identifiers import CaseId, Step

HEEDS: frozenset[type[Event]] = frozenset({ApplicationRegistered, WithdrawalRequested})
DEPARTMENT_HEEDS: frozenset[type[Event]] = frozenset()


def react(case_id: CaseId, case: RoutingCase, known: Known) -> RoutingCommand | None:
    """An open wish to withdraw first; then the assignment, where it runs by rule.

    With no executor at work the rule has nobody to name: the case waits for the head.
    """
    if (answer := answer_withdrawal(case_id, case.course, SOURCE)) is not None:
        return answer
    lodged = case.course.lodged
    if lodged is None or not case.course.held_by(SOURCE) or Step.ASSIGN not in lodged.by_rule:
        return None
    if choice(lodged.office, known) is None:
        return None
    return AssignByRule(case_id=case_id, actor="rule:least-loaded")


def react_department(
    _case_id: CaseId, _case: DepartmentCase, _known: Known
) -> DepartmentCommand | None:
    """The department asks for nothing by itself."""
    return None
