"""Signing's pure functions, joined."""

from functools import partial

from services.signing.commands import SigningCommand
from services.signing.reactions import HEEDS, react
from services.signing.rules import decide
from services.signing.state import SOURCE, SigningCase, evolve
from shared.course import Course
from shared.decider import Decider, nothing_to_carry
from shared.holding import overdue_on_time, term_end


def course(case: SigningCase) -> Course:
    """Who held the case when."""
    return case.course


def claim(_case: SigningCase) -> str | None:
    """A case at signing takes up nothing that another could want."""
    return None


DECIDER: Decider[SigningCommand, SigningCase] = Decider(
    source=SOURCE,
    state=SigningCase,
    evolve=evolve,
    decide=decide,
    react=react,
    heeds=HEEDS,
    course=course,
    claim=claim,
    due=partial(term_end, source=SOURCE),
    on_time=partial(overdue_on_time, source=SOURCE),
    errands=nothing_to_carry,
)
