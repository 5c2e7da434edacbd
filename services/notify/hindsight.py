"""The wishes behind notify's facts, as far as the facts say them."""

from services.notify.commands import IssueByRule, IssueResult, NotifyCommand, RecordNotice
from services.notify.decider import DECIDER
from services.notify.state import NotifyCase
from shared.events.envelope import Fact
from shared.events.notify import NoticeFailed, NoticeSent, ResultIssued
from shared.hindsight import Recalled, Rules, recall_as_holder


def recall(fact: Fact, _case: NotifyCase) -> Recalled[NotifyCommand]:
    """One branch for each event. Raises Unknowable.

    What the gateway answered is an input, and the fact is all that is left of it.
    """
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    match fact.event:
        case ResultIssued() if actor.startswith("rule:"):
            return Recalled(IssueByRule(case_id, actor))
        case ResultIssued(way=way, to=to):
            return Recalled(IssueResult(case_id, actor, way, to))
        case NoticeSent():
            return Recalled(RecordNotice(case_id, actor, "sent"))
        case NoticeFailed(reason=reason):
            return Recalled(RecordNotice(case_id, actor, "failed", reason))
        case _:
            return Recalled(recall_as_holder(fact).command)


RULES: Rules[NotifyCommand, NotifyCase] = Rules(DECIDER, recall)
