"""The term of routing's step: naming the executor (R2 5.2, R3 5.2, R4 5.2)."""

from collections.abc import Sequence

from services.routing.state import SOURCE
from shared.decider import Timer
from shared.events.envelope import Fact
from shared.events.intake import ApplicationRegistered
from shared.holding import MarkOverdue, overdue_on_time, timer_of


def timers(fact: Fact) -> Sequence[Timer]:
    """A registered application has to get its executor in time."""
    match fact.event:
        case ApplicationRegistered(due=due):
            return (timer_of(fact, SOURCE, due),)
        case _:
            return ()


def on_time(timer: Timer) -> MarkOverdue:
    """The rule looks whether the step is still to be done."""
    return overdue_on_time(timer)
