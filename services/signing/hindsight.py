"""The wishes behind signing's facts, as far as the facts say them."""

from services.signing.commands import (
    ReturnNotification,
    SignByRule,
    SigningCommand,
    SignNotification,
)
from services.signing.decider import DECIDER
from services.signing.state import SigningCase
from shared.events.envelope import Fact
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.hindsight import STAND_IN, Recalled, Rules, recall_as_holder


def recall(fact: Fact, _case: SigningCase) -> Recalled[SigningCommand]:
    """One branch for each event. Raises Unknowable."""
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    match fact.event:
        case NotificationSigned() if actor.startswith("rule:"):
            return Recalled(SignByRule(case_id, actor))
        case NotificationSigned(digest=digest, certificate=certificate, evidence=evidence):
            return Recalled(SignNotification(case_id, actor, digest, certificate, evidence))
        case NotificationReturned():
            return Recalled(ReturnNotification(case_id, actor, STAND_IN))
        case _:
            return Recalled(recall_as_holder(fact).command)


RULES: Rules[SigningCommand, SigningCase] = Rules(DECIDER, recall)
