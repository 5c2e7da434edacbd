"""What executor knows of a case."""

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.executor import PaperRequested
from shared.identifiers import Source
from shared.state import State
from shared.terms import Responsible, Terms

SOURCE = Source.EXECUTOR


class ExecutorCase(State, frozen=True):
    """A case being examined: by whom, and which papers were asked for."""

    course: Course = Course()
    terms: Terms = Terms()
    responsible: Responsible = Responsible()
    requested: tuple[str, ...] = ()

    @property
    def provided(self) -> frozenset[str]:
        """The kinds of papers that are there, from the start or since."""
        return frozenset(
            document.kind for document in self.course.documents if document.state == "provided"
        )


def evolve(case: ExecutorCase, fact: Fact) -> ExecutorCase:
    """The case after one more fact."""
    requested = case.requested
    if fact.envelope.source is SOURCE and isinstance(fact.event, PaperRequested):
        new = (paper for paper in fact.event.papers if paper not in requested)
        requested = (*requested, *new)
    return case.but(
        {
            "course": case.course.heard(fact),
            "terms": case.terms.heard(fact, SOURCE),
            "responsible": case.responsible.heard(fact),
            "requested": requested,
        }
    )
