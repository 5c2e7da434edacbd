"""The term of notify's step: registering and issuing the result (R2 5.5, R3 5.5, R4 5.5)."""

from collections.abc import Sequence

from services.notify.state import SOURCE
from shared.decider import Timer
from shared.events.envelope import Fact
from shared.events.signing import NotificationSigned
from shared.holding import MarkOverdue, overdue_on_time, timer_of


def timers(fact: Fact) -> Sequence[Timer]:
    """A signed notification has to be issued in time."""
    match fact.event:
        case NotificationSigned(due=due):
            return (timer_of(fact, SOURCE, due),)
        case _:
            return ()


def on_time(timer: Timer) -> MarkOverdue:
    """The rule looks whether the step is still to be done."""
    return overdue_on_time(timer)
