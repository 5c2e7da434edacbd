"""The term of intake's step: registering what was handed in (R2 5.1, R3 5.1, R4 5.1)."""

from collections.abc import Sequence

from services.intake.state import SOURCE
from shared.decider import Timer
from shared.events.envelope import Fact
from shared.events.intake import ApplicationLodged
from shared.holding import MarkOverdue, overdue_on_time, timer_of


def timers(fact: Fact) -> Sequence[Timer]:
    """A lodged application has to be registered in time."""
    match fact.event:
        case ApplicationLodged(due=due):
            return (timer_of(fact, SOURCE, due),)
        case _:
            return ()


def on_time(timer: Timer) -> MarkOverdue:
    """The rule looks whether the step is still to be done."""
    return overdue_on_time(timer)
