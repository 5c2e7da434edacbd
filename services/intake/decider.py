"""Intake's pure functions, joined."""

from functools import partial

from services.intake.commands import IntakeCommand
from services.intake.reactions import HEEDS, react
from services.intake.rules import decide
from services.intake.state import SOURCE, IntakeCase, claim_of, evolve
from shared.course import Course
from shared.decider import Decider, nothing_to_carry
from shared.holding import overdue_on_time, term_end


def course(case: IntakeCase) -> Course:
    """Who held the case when."""
    return case.course


def claim(case: IntakeCase) -> str | None:
    """One applicant has one running case of a service: a second lodging is refused by the shell."""
    lodged = case.course.lodged
    if lodged is None or case.course.ending is not None:
        return None
    return claim_of(lodged.applicant, lodged.procedure)


DECIDER: Decider[IntakeCommand, IntakeCase] = Decider(
    source=SOURCE,
    state=IntakeCase,
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
