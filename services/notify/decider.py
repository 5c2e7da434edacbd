"""Notify's pure functions, joined."""

from services.notify.commands import NotifyCommand
from services.notify.deadlines import due, on_time
from services.notify.effects import errands
from services.notify.reactions import HEEDS, react
from services.notify.rules import decide
from services.notify.state import SOURCE, NotifyCase, evolve
from shared.course import Course
from shared.decider import Decider


def course(case: NotifyCase) -> Course:
    """Who held the case when."""
    return case.course


def claim(_case: NotifyCase) -> str | None:
    """A case at notify takes up nothing that another could want."""
    return None


DECIDER: Decider[NotifyCommand, NotifyCase] = Decider(
    source=SOURCE,
    state=NotifyCase,
    evolve=evolve,
    decide=decide,
    react=react,
    heeds=HEEDS,
    course=course,
    claim=claim,
    due=due,
    on_time=on_time,
    errands=errands,
)
