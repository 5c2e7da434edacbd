"""What signing knows of a case."""

from collections.abc import Mapping
from typing import Final

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.executor import NotificationDrafted
from shared.events.routing import ExecutorAssigned
from shared.identifiers import Source
from shared.procedures.due import Due
from shared.state import State
from shared.terms import KeptDue, Responsible, Terms

SOURCE = Source.SIGNING


class Draft(State, frozen=True):
    """A notification as the executor sent it to be signed."""

    digest: str
    drawn_up_by: str
    """The actor, as in the envelope."""


class SigningCase(State, frozen=True):
    """A case with a notification to sign. `drafts` are by the executor's turn."""

    course: Course = Course()
    terms: Terms = Terms()
    responsible: Responsible = Responsible()
    drafts: Mapping[int, Draft] = {}
    drafting_due: KeptDue | None = None
    """The executor's term, as the assignment set it."""

    @property
    def draft(self) -> Draft:
        """The draft that counts while signing holds the case: that of the turn before."""
        return self.drafts[self.course.turn - 1]

    @property
    def first_drafting_due(self) -> Due:
        """The term within which a draft that goes back is to be drawn up again."""
        if self.drafting_due is None:
            raise LookupError("a case without an executor has no term for drafting")
        return self.drafting_due.due


_HEARD: Final = (NotificationDrafted, ExecutorAssigned)


def evolve(case: SigningCase, fact: Fact) -> SigningCase:
    """The case after one more fact."""
    changed: dict[str, object] = {
        "course": case.course.heard(fact),
        "terms": case.terms.heard(fact, SOURCE),
        "responsible": case.responsible.heard(fact),
    }
    if not issubclass(fact.model, _HEARD):
        return case.but(changed)
    turn = fact.envelope.turn
    match fact.event:
        case NotificationDrafted(digest=digest) if turn not in case.drafts:
            draft = Draft(digest=digest, drawn_up_by=fact.envelope.actor)
            changed["drafts"] = {**case.drafts, turn: draft}
        case ExecutorAssigned(due=due) if case.drafting_due is None:
            changed["drafting_due"] = KeptDue.of(due)
        case _:
            pass
    return case.but(changed)
