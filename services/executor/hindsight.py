"""The wishes behind executor's facts, as far as the facts say them."""

from services.executor.commands import (
    DraftByRule,
    DraftNotification,
    ExecutorCommand,
    ReassignExecutor,
    RequestPaper,
)
from services.executor.decider import DECIDER
from services.executor.state import ExecutorCase
from shared.events.envelope import Fact
from shared.events.executor import (
    ExecutorReassigned,
    Notification,
    NotificationDrafted,
    PaperRequested,
)
from shared.hindsight import STAND_IN, Recalled, Rules, recall_as_holder, text_of

_SEALED = "it is the digest of the sealed notification, which a replay does not open"


def recall(fact: Fact, _case: ExecutorCase) -> Recalled[ExecutorCommand]:
    """One branch for each event. Raises Unknowable."""
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    match fact.event:
        case ExecutorReassigned(executor=executor):
            return Recalled(ReassignExecutor(case_id, actor, executor, STAND_IN))
        case PaperRequested(papers=papers):
            return Recalled(RequestPaper(case_id, actor, papers, text_of(fact)))
        case NotificationDrafted() if actor.startswith("rule:"):
            return Recalled(DraftByRule(case_id, actor), {"digest": _SEALED})
        case NotificationDrafted(outcome=outcome, ground=ground):
            notification = Notification(salt=STAND_IN, text=STAND_IN)
            drafting = DraftNotification(case_id, actor, outcome, notification, ground)
            return Recalled(drafting, {"digest": _SEALED})
        case _:
            return Recalled(recall_as_holder(fact).command)


RULES: Rules[ExecutorCommand, ExecutorCase] = Rules(DECIDER, recall)
