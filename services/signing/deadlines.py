"""The term of signing's step (R2 5.4, R3 5.4, R4 5.4)."""

from collections.abc import Sequence

from services.signing.state import SOURCE
from shared.decider import Timer
from shared.events.envelope import Fact
from shared.events.executor import NotificationDrafted
from shared.holding import MarkOverdue, overdue_on_time, timer_of


def timers(fact: Fact) -> Sequence[Timer]:
    """A notification that was drawn up has to be signed in time."""
    match fact.event:
        case NotificationDrafted(due=due):
            return (timer_of(fact, SOURCE, due),)
        case _:
            return ()


def on_time(timer: Timer) -> MarkOverdue:
    """The rule looks whether the step is still to be done."""
    return overdue_on_time(timer)
