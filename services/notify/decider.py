"""Notify's pure functions, joined."""

from functools import partial

from services.notify.commands import NotifyCommand
from services.notify.effects import errands
from services.notify.reactions import HEEDS, react
from services.notify.rules import decide
from services.notify.state import SOURCE, NotifyCase, evolve
from shared.course import Course
from shared.decider import Decider
from shared.holding import overdue_on_time, term_end


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
    due=partial(term_end, source=SOURCE),
    on_time=partial(overdue_on_time, source=SOURCE),
    errands=errands,
)
