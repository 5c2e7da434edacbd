"""What notify knows of a case."""

from collections.abc import Mapping
from typing import Final, Literal

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.event import Sealed
from shared.events.executor import NotificationDrafted
from shared.events.intake import ApplicationLodged, ApplicationRegistered
from shared.events.notify import NoticeFailed, NoticeSent, ResultIssued
from shared.identifiers import EventId, Source
from shared.state import State
from shared.terms import Terms

SOURCE = Source.NOTIFY


class Outcome(State, frozen=True):
    """What a notification grants or refuses, without its words."""

    outcome: Literal["granted", "refused"]
    result_kind: str
    digest: str


class Contact(State, frozen=True):
    """Where the applicant wants to be told: the application's sealed block, and what opens it."""

    event_id: EventId
    event_type: str
    sealed: Sealed


class NotifyCase(State, frozen=True):
    """A case with a result to issue. `drafts` are by the executor's turn."""

    course: Course = Course()
    terms: Terms = Terms()
    registration_number: str | None = None
    drafts: Mapping[int, Outcome] = {}
    issued: EventId | None = None
    """The event that told the result: what the applicant is told of."""
    noticed: bool = False
    contact: Contact | None = None

    @property
    def signed(self) -> Outcome:
        """While notify holds: what the turn before this one signed and the one before drew up."""
        return self.drafts[self.course.turn - 2]


_HEARD: Final = (
    ApplicationLodged,
    ApplicationRegistered,
    NotificationDrafted,
    ResultIssued,
    NoticeSent,
    NoticeFailed,
)


def evolve(case: NotifyCase, fact: Fact) -> NotifyCase:
    """The case after one more fact."""
    changed: dict[str, object] = {
        "course": case.course.heard(fact),
        "terms": case.terms.heard(fact, SOURCE),
    }
    if not issubclass(fact.model, _HEARD):
        return case.but(changed)
    turn = fact.envelope.turn
    match fact.event:
        case ApplicationLodged(notice=notice, private=str(sealed)) if notice is not None:
            changed["contact"] = Contact(
                event_id=fact.envelope.event_id, event_type=fact.envelope.type, sealed=sealed
            )
        case ApplicationRegistered(registration_number=number) if not case.registration_number:
            changed["registration_number"] = number
        case NotificationDrafted() as draft if turn not in case.drafts:
            outcome = Outcome(
                outcome=draft.outcome, result_kind=draft.result_kind, digest=draft.digest
            )
            changed["drafts"] = {**case.drafts, turn: outcome}
        case ResultIssued():
            changed["issued"] = fact.envelope.event_id
        case NoticeSent() | NoticeFailed():
            changed["noticed"] = True
        case _:
            pass
    return case.but(changed)
