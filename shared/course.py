"""The course of a case through the stages: who held it when, who holds it now, how it ended.

Every stage folds this part alike (D8). Each source's facts go to that source's own half, so the
result does not depend on the order in which facts of different sources are read; what is true
now follows from the halves. A fact of a source that did not hold the turn it names is
kept and changes nothing.
"""

from typing import Final, Literal, Self, TypeVar

from shared.events.envelope import Fact
from shared.events.event import Kind
from shared.events.holder import CaseWithdrawn, WithdrawalDeclined
from shared.events.intake import (
    ApplicationLodged,
    Document,
    PaperAdded,
    PersonalDataErased,
    WithdrawalRequested,
)
from shared.identifiers import ApplicantRef, Channel, EventId, Source, Step
from shared.state import State


class Move(State, frozen=True):
    """What `source` did with the case that it held in `turn`."""

    turn: int
    source: Source


class Handing(Move, frozen=True):
    """It gave the case to `to`."""

    to: Source


class Ending(Move, frozen=True):
    """It ended the case: issued, withdrawn or rejected."""

    how: str


class Lodged(State, frozen=True):
    """What the application says that every stage needs; nothing of the person."""

    procedure: str
    edition: str
    digest: str
    channel: Channel
    office: str
    applicant: ApplicantRef
    result_kind: str
    by_rule: tuple[Step, ...]
    notice: str | None
    synthetic: bool


M = TypeVar("M", bound=Move)


class Paper(State, frozen=True):
    """A document of the application, as the log names it."""

    kind: str
    state: Literal["provided", "missing"]
    content: str | None


_STATEMENTS: Final = frozenset(
    {
        ApplicationLodged,
        PaperAdded,
        WithdrawalRequested,
        CaseWithdrawn,
        WithdrawalDeclined,
        PersonalDataErased,
    }
)
"""The events whose words the course heeds; of the others, where they lead."""


class Course(State, frozen=True):
    """See the module. Tuples are kept sorted, so that equal facts give equal bytes."""

    path: tuple[Source, ...] = (Source.INTAKE,)
    """The holders by turn, from turn 0, as far as the hand-offs read so far lead. It follows from
    `handings`, and is asked for so often that it is kept."""
    handings: tuple[Handing, ...] = ()
    endings: tuple[Ending, ...] = ()
    requests: tuple[EventId, ...] = ()
    """Wishes to withdraw, in intake's order."""
    answers: tuple[EventId, ...] = ()
    erased: bool = False
    # Last what changes least (see the table `cases`).
    lodged: Lodged | None = None
    documents: tuple[Paper, ...] = ()
    """As lodged, then as added, in intake's order."""

    def heard(self, fact: Fact) -> Self:
        """The course after one more fact, in whatever order facts of different sources come."""
        course = self._statement(fact)
        if fact.entry.hands_to is None and fact.entry.ends is None:
            return course
        turn, source = fact.envelope.turn, fact.envelope.source
        if self._moved(turn, source):  # a source moves a turn on once; its first word counts
            return course
        if fact.entry.hands_to is not None:
            handing = Handing(turn=turn, source=source, to=fact.entry.hands_to)
            handings = _in_order(course.handings, handing)
            course = course.but({"handings": handings, "path": _path(handings)})
        if fact.entry.ends is not None:
            ending = Ending(turn=turn, source=source, how=fact.entry.ends)
            course = course.but({"endings": _in_order(course.endings, ending)})
        return course

    def _moved(self, turn: int, source: Source) -> bool:
        for move in (*self.handings, *self.endings):
            if move.turn == turn and move.source == source:
                return True
        return False

    def _statement(self, fact: Fact) -> Self:
        if fact.model not in _STATEMENTS:  # most: asking once is cheaper than each in turn
            return self
        match fact.event:
            case ApplicationLodged() as event:
                changed: dict[str, object] = {
                    "lodged": _lodged(event, synthetic=fact.envelope.synthetic),
                    "documents": (*map(paper_of, event.documents), *self.documents),
                }
            case PaperAdded(document=document):
                changed = {"documents": (*self.documents, paper_of(document))}
            case WithdrawalRequested():
                changed = {"requests": (*self.requests, fact.envelope.event_id)}
            case CaseWithdrawn(request=request) | WithdrawalDeclined(request=request):
                changed = {"answers": tuple(sorted({*self.answers, request}))}
            case PersonalDataErased():
                changed = {"erased": True}
            case _:
                return self
        return self.but(changed)

    @property
    def turn(self) -> int:
        """The turn that runs now."""
        return len(self.path) - 1

    @property
    def holder(self) -> Source:
        """The stage that may decide now (also of a case that is over: its last holder)."""
        return self.path[-1]

    @property
    def ending(self) -> str | None:
        """How the case is over, or None while it runs."""
        if not self.endings:
            return None
        path = self.path
        for ending in self.endings:
            if (ending.turn, ending.source) == (len(path) - 1, path[-1]):
                return ending.how
        return None

    @property
    def open_request(self) -> EventId | None:
        """The oldest wish to withdraw that nobody has answered."""
        answered = set(self.answers)
        return next((request for request in self.requests if request not in answered), None)

    def held_by(self, source: Source) -> bool:
        """Whether `source` holds a case that runs."""
        return self.lodged is not None and self.holder is source and self.ending is None

    def judges(self, fact: Fact) -> bool | None:
        """Whether the fact's source held the turn it names; None when that is not known yet."""
        if fact.entry.kind is Kind.STATEMENT:
            return True
        path = self.path
        if fact.envelope.turn >= len(path):
            return None
        return path[fact.envelope.turn] is fact.envelope.source


def paper_of(document: Document) -> Paper:
    """What a state keeps of a document."""
    return Paper(kind=document.kind, state=document.state, content=document.content)


def _lodged(event: ApplicationLodged, *, synthetic: bool) -> Lodged:
    return Lodged(
        procedure=event.procedure,
        edition=event.edition,
        digest=event.procedure_digest,
        channel=event.channel,
        office=event.office,
        applicant=event.applicant,
        result_kind=event.result_kind,
        by_rule=event.by_rule,
        notice=event.notice,
        synthetic=synthetic,
    )


def _path(handings: tuple[Handing, ...]) -> tuple[Source, ...]:
    """Where hand-offs lead."""
    holders = [Source.INTAKE]
    for handing in handings:  # sorted by turn, one of each source in a turn
        if handing.turn == len(holders) - 1 and handing.source is holders[-1]:
            holders.append(handing.to)
    return tuple(holders)


def _in_order(moves: tuple[M, ...], move: M) -> tuple[M, ...]:
    """With one more, by turn; that of the last turn is the usual one."""
    if not moves or _place(moves[-1]) < _place(move):
        return (*moves, move)
    return tuple(sorted((*moves, move), key=_place))


def _place(move: Move) -> tuple[int, str]:
    return move.turn, move.source
