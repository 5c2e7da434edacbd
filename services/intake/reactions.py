"""What a case now calls for at intake, without a person asking."""

from services.intake.commands import IntakeCommand
from services.intake.state import SOURCE, IntakeCase
from shared.decider import Known
from shared.events.event import Event
from shared.events.intake import WithdrawalRequested
from shared.holding import answer_withdrawal
from shared.identifiers import CaseId

HEEDS: frozenset[type[Event]] = frozenset({WithdrawalRequested})
"""Its own statement: while intake holds the case it answers the wish itself."""


def react(case_id: CaseId, case: IntakeCase, _known: Known) -> IntakeCommand | None:
    """An open wish to withdraw; where registration runs by rule, lodging has done it."""
    return answer_withdrawal(case_id, case.course, SOURCE)
