"""What intake knows of a case."""

from pydantic import BaseModel, ConfigDict

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.intake import ApplicationRegistered
from shared.identifiers import ApplicantRef, Source
from shared.procedures.due import Due
from shared.terms import Terms

SOURCE = Source.INTAKE


class IntakeCase(BaseModel):
    """An application from the moment it is lodged."""

    model_config = ConfigDict(frozen=True)

    course: Course = Course()
    terms: Terms = Terms()
    registered: bool = False

    @property
    def registering_due(self) -> Due:
        """When the application is to be registered, as lodging it said."""
        return self.terms.given[0].due


def evolve(case: IntakeCase, fact: Fact) -> IntakeCase:
    """The case after one more fact."""
    return case.model_copy(
        update={
            "course": case.course.heard(fact),
            "terms": case.terms.heard(fact, SOURCE),
            "registered": case.registered or isinstance(fact.event, ApplicationRegistered),
        }
    )


def claim_of(applicant: ApplicantRef, procedure: str) -> str:
    """What a running case takes up: one applicant has one of a service at a time."""
    return f"{applicant}:{procedure}"
