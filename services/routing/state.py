"""What routing knows of a case, and of the department."""

from pydantic import BaseModel, ConfigDict

from shared.course import Course
from shared.events.envelope import Fact
from shared.identifiers import Source
from shared.terms import Responsible, Terms

SOURCE = Source.ROUTING


class RoutingCase(BaseModel):
    """A case waiting for its executor, or given to one: the executors' loads are counted here."""

    model_config = ConfigDict(frozen=True)

    course: Course = Course()
    terms: Terms = Terms()
    responsible: Responsible = Responsible()


def evolve(case: RoutingCase, fact: Fact) -> RoutingCase:
    """The case after one more fact."""
    return case.model_copy(
        update={
            "course": case.course.heard(fact),
            "terms": case.terms.heard(fact, SOURCE),
            "responsible": case.responsible.heard(fact),
        }
    )
