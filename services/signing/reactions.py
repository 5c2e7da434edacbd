"""What a case now calls for at signing, without a person asking."""

from services.signing.commands import SignByRule, SigningCommand
from services.signing.state import SOURCE, SigningCase
from shared.decider import Known
from shared.events.event import Event
from shared.events.executor import NotificationDrafted
from shared.events.intake import WithdrawalRequested
from shared.holding import answer_withdrawal
from shared.identifiers import CaseId, Step

HEEDS: frozenset[type[Event]] = frozenset({NotificationDrafted, WithdrawalRequested})


def react(case_id: CaseId, case: SigningCase, _known: Known) -> SigningCommand | None:
    """An open wish to withdraw first; then the signature, where it runs by rule."""
    if (answer := answer_withdrawal(case_id, case.course, SOURCE)) is not None:
        return answer
    lodged = case.course.lodged
    if lodged is None or not case.course.held_by(SOURCE) or Step.SIGN not in lodged.by_rule:
        return None
    return SignByRule(case_id=case_id, actor="rule:department-seal")
