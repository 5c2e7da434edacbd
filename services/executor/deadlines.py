"""The term of executor's step: examining and drawing up (R2 5.3, R3 5.3, R4 5.3)."""

from collections.abc import Sequence

from services.executor.state import SOURCE
from shared.decider import Timer
from shared.events.envelope import Fact
from shared.events.routing import ExecutorAssigned
from shared.events.signing import NotificationReturned
from shared.holding import MarkOverdue, overdue_on_time, timer_of


def timers(fact: Fact) -> Sequence[Timer]:
    """An assigned case has to be drawn up in time; a draft that came back, in that same time."""
    match fact.event:
        case ExecutorAssigned(due=due) | NotificationReturned(due=due):
            return (timer_of(fact, SOURCE, due),)
        case _:
            return ()


def on_time(timer: Timer) -> MarkOverdue:
    """The rule looks whether the step is still to be done."""
    return overdue_on_time(timer)
