"""What routing knows of a case, and of the department."""

from shared.course import Course
from shared.events.envelope import Fact
from shared.identifiers import Source
from shared.state import State
from shared.terms import Responsible, Terms

SOURCE = Source.ROUTING


class RoutingCase(State, frozen=True):
    """A case waiting for its executor, or given to one: the executors' loads are counted here."""

    course: Course = Course()
    terms: Terms = Terms()
    responsible: Responsible = Responsible()


def evolve(case: RoutingCase, fact: Fact) -> RoutingCase:
    """The case after one more fact."""
    return case.but(
        {
            "course": case.course.heard(fact),
            "terms": case.terms.heard(fact, SOURCE),
            "responsible": case.responsible.heard(fact),
        }
    )
