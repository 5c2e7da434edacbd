"""What intake knows of a case."""

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.intake import ApplicationRegistered
from shared.identifiers import ApplicantRef, Source
from shared.procedures.due import Due
from shared.state import State
from shared.terms import Terms

SOURCE = Source.INTAKE


class IntakeCase(State, frozen=True):
    """An application from the moment it is lodged."""

    course: Course = Course()
    terms: Terms = Terms()
    registered: bool = False

    @property
    def registering_due(self) -> Due:
        """When the application is to be registered, as lodging it said."""
        return self.terms.given[0].kept.due


def evolve(case: IntakeCase, fact: Fact) -> IntakeCase:
    """The case after one more fact."""
    return case.but(
        {
            "course": case.course.heard(fact),
            "terms": case.terms.heard(fact, SOURCE),
            "registered": case.registered or fact.model is ApplicationRegistered,
        }
    )


def claim_of(applicant: ApplicantRef, procedure: str) -> str:
    """What a running case takes up: one applicant has one of a service at a time."""
    return f"{applicant}:{procedure}"
