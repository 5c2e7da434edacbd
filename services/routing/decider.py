"""Routing's pure functions, joined: one set for cases, one for the department."""

from functools import partial

from services.routing.commands import DepartmentCommand, RoutingCommand
from services.routing.reactions import DEPARTMENT_HEEDS, HEEDS, react, react_department
from services.routing.rules import decide, decide_department
from services.routing.state import SOURCE, RoutingCase, evolve
from shared.course import Course
from shared.decider import Decider, nothing_due, nothing_on_time, nothing_to_carry
from shared.directory import DepartmentCase, evolve_department
from shared.holding import overdue_on_time, term_end


def course(case: RoutingCase) -> Course:
    """Who held the case when."""
    return case.course


def claim(case: RoutingCase) -> str | None:
    """The executor whom the case keeps busy while it runs."""
    return case.responsible.staff or None if case.course.ending is None else None


DECIDER: Decider[RoutingCommand, RoutingCase] = Decider(
    source=SOURCE,
    state=RoutingCase,
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


def _department_course(case: DepartmentCase) -> Course:
    return case.course


def _no_claim(_case: DepartmentCase) -> str | None:
    return None


DEPARTMENT_DECIDER: Decider[DepartmentCommand, DepartmentCase] = Decider(
    source=SOURCE,
    state=DepartmentCase,
    evolve=evolve_department,
    decide=decide_department,
    react=react_department,
    heeds=DEPARTMENT_HEEDS,
    course=_department_course,
    claim=_no_claim,
    due=nothing_due,
    on_time=nothing_on_time,
    errands=nothing_to_carry,
)
