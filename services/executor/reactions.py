"""What a case now calls for at executor, without a person asking."""

from services.executor.commands import DraftByRule, ExecutorCommand
from services.executor.rules import goes_by_itself
from services.executor.state import SOURCE, ExecutorCase
from shared.decider import Known
from shared.events.event import Event
from shared.events.intake import PaperAdded, WithdrawalRequested
from shared.events.routing import ExecutorAssigned
from shared.events.signing import NotificationReturned
from shared.holding import answer_withdrawal
from shared.identifiers import CaseId, Step

HEEDS: frozenset[type[Event]] = frozenset(
    {ExecutorAssigned, NotificationReturned, PaperAdded, WithdrawalRequested}
)


def react(case_id: CaseId, case: ExecutorCase, known: Known) -> ExecutorCommand | None:
    """An open wish to withdraw first; then the draft, where it runs by rule.

    A paper that was missing may complete the case. Without it, or after a signer gave the
    rule's draft back, the case waits for the responsible executor.
    """
    if (answer := answer_withdrawal(case_id, case.course, SOURCE)) is not None:
        return answer
    lodged = case.course.lodged
    if lodged is None or not case.course.held_by(SOURCE) or Step.DRAFT not in lodged.by_rule:
        return None
    if not goes_by_itself(case, known):
        return None
    return DraftByRule(case_id=case_id, actor="rule:checks-confirmed")
