"""The wishes behind intake's facts, as far as the facts say them."""

from services.intake.commands import (
    AddPaper,
    ErasePersonalData,
    IntakeCommand,
    LodgeApplication,
    RegisterApplication,
    RejectRequest,
    RequestWithdrawal,
)
from services.intake.decider import DECIDER
from services.intake.state import IntakeCase
from shared.events.envelope import Fact
from shared.events.intake import (
    Applicant,
    ApplicationLodged,
    ApplicationRegistered,
    PaperAdded,
    PersonalDataErased,
    RequestRejected,
    WithdrawalRequested,
)
from shared.hindsight import STAND_IN, Recalled, Rules, recall_as_holder, text_of
from shared.identifiers import CaseId


def recall(fact: Fact, _case: IntakeCase) -> Recalled[IntakeCommand]:
    """One branch for each event. Raises Unknowable.

    An application that a rule registers is registered by its lodging; the rule is the same, so it
    is asked as if the office had registered it.
    """
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    command: IntakeCommand
    match fact.event:
        case ApplicationLodged() as event:
            command = _lodging(event, case_id, actor)
        case ApplicationRegistered():
            command = RegisterApplication(case_id, actor)
        case RequestRejected(message=message, check=check):
            command = RejectRequest(case_id, actor, message, check, text_of(fact))
        case PaperAdded(document=document):
            command = AddPaper(case_id, actor, document)
        case WithdrawalRequested():
            command = RequestWithdrawal(case_id, actor, text_of(fact))
        case PersonalDataErased():
            command = ErasePersonalData(case_id, actor)
        case _:
            return Recalled(recall_as_holder(fact).command)
    return Recalled(command)


def _lodging(event: ApplicationLodged, case_id: CaseId, actor: str) -> LodgeApplication:
    """No rule looks at the person: whether the IIN is one was checked before, and is not here."""
    return LodgeApplication(
        case_id=case_id,
        actor=actor,
        procedure=event.procedure,
        edition=event.edition,
        channel=event.channel,
        office=event.office,
        applicant=event.applicant,
        private=Applicant(iin=STAND_IN, surname=STAND_IN, given_name=STAND_IN),
        documents=event.documents,
        result_kind=event.result_kind,
        by_rule=event.by_rule,
        notice=event.notice,
    )


RULES: Rules[IntakeCommand, IntakeCase] = Rules(DECIDER, recall)
