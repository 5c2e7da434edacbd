"""What a case now calls for at notify, without a person asking."""

from services.notify.commands import IssueByRule, NotifyCommand
from services.notify.rules import goes_by_itself
from services.notify.state import SOURCE, NotifyCase
from shared.decider import Known
from shared.events.event import Event
from shared.events.intake import WithdrawalRequested
from shared.events.signing import NotificationSigned
from shared.holding import answer_withdrawal
from shared.identifiers import CaseId, Step

HEEDS: frozenset[type[Event]] = frozenset({NotificationSigned, WithdrawalRequested})


def react(case_id: CaseId, case: NotifyCase, known: Known) -> NotifyCommand | None:
    """An open wish to withdraw first; then the result, where it goes out by rule."""
    if (answer := answer_withdrawal(case_id, case.course, SOURCE)) is not None:
        return answer
    lodged = case.course.lodged
    if lodged is None or not case.course.held_by(SOURCE) or Step.ISSUE not in lodged.by_rule:
        return None
    if not goes_by_itself(lodged, known):
        return None
    return IssueByRule(case_id=case_id, actor="rule:issue-to-account")
