"""Executor's pure functions, joined."""

from services.executor.commands import ExecutorCommand
from services.executor.deadlines import due, on_time
from services.executor.reactions import HEEDS, react
from services.executor.rules import decide
from services.executor.state import SOURCE, ExecutorCase, evolve
from shared.course import Course
from shared.decider import Decider, nothing_to_carry


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
    due=due,
    on_time=on_time,
    errands=nothing_to_carry,
)
