"""Executor's pure functions, joined."""

from functools import partial

from services.executor.commands import ExecutorCommand
from services.executor.reactions import HEEDS, react
from services.executor.rules import decide
from services.executor.state import SOURCE, ExecutorCase, evolve
from shared.course import Course
from shared.decider import Decider, nothing_to_carry
from shared.holding import overdue_on_time, term_end


def course(case: ExecutorCase) -> Course:
    """Who held the case when."""
    return case.course


def claim(_case: ExecutorCase) -> str | None:
    """Whose case it is counts at routing, which names the executors."""
    return None


DECIDER: Decider[ExecutorCommand, ExecutorCase] = Decider(
    source=SOURCE,
    state=ExecutorCase,
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
