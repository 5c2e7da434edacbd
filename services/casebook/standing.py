"""Where a case stands: folded from its facts, pure, and the same in whatever order they are read.

The course of a case is judged as `shared.course` judges it in the stages (a test compares the
two). It is kept here as plain values, because casebook writes it for every case of every batch:
each binding fact is a deed, what is true now is found by walking the path of the holders, and
only the deeds of who held the turn count (D8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from msgspec.json import Decoder, Encoder

from shared.events.catalogue import Entry
from shared.events.event import Event
from shared.events.executor import ExecutorReassigned, NotificationDrafted
from shared.events.holder import CaseWithdrawn, StageOverdue, WithdrawalDeclined
from shared.events.intake import (
    ApplicationLodged,
    ApplicationRegistered,
    PersonalDataErased,
    RequestRejected,
    WithdrawalRequested,
)
from shared.events.notify import ResultIssued
from shared.events.routing import ExecutorAssigned
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.identifiers import EventId, Source
from shared.procedures.due import Due
from shared.terms import STEP_OF

Values = dict[str, object]
_WRITTEN: Final = Encoder()
_READ: Final = Decoder()


class Heading(Protocol):
    """What is needed of an envelope."""

    @property
    def event_id(self) -> EventId: ...
    @property
    def source(self) -> Source: ...
    @property
    def sequence(self) -> int: ...
    @property
    def turn(self) -> int: ...
    @property
    def synthetic(self) -> bool: ...


class Heard(Protocol):
    """A fact, fresh from the log or as a timeline has kept it."""

    @property
    def envelope(self) -> Heading: ...
    @property
    def entry(self) -> Entry: ...
    @property
    def event(self) -> Event: ...


class Deed(NamedTuple):
    """What one binding fact says about the case: plain values, times as ISO text.

    `to` is the next holder of a hand-off, `ends` how the case is over; the rest is what it sets.
    """

    turn: int
    source: str
    sequence: int
    sets: Values


@dataclass(slots=True)
class Standing:
    """What casebook keeps of a case. Deeds are in order: equal facts give equal text."""

    lodged: Values | None = None
    deeds: list[Deed] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Wishes to withdraw, in intake's order."""
    answers: list[str] = field(default_factory=list)
    erased: bool = False

    @property
    def office(self) -> str | None:
        """The office of the case, once its application is read."""
        return str(self.lodged["office"]) if self.lodged is not None else None

    @property
    def open_request(self) -> bool:
        """Somebody wishes to withdraw and nobody has answered."""
        return any(request not in self.answers for request in self.requests)

    def hear(self, fact: Heard) -> None:
        """Take in one more fact."""
        sets = _said(self, fact)
        entry, envelope = fact.entry, fact.envelope
        if entry.hands_to is not None:
            sets["to"] = str(entry.hands_to)
            sets["overdue"] = False
        if entry.ends is not None:
            sets["ends"] = entry.ends
        if sets:
            self.deeds.append(Deed(envelope.turn, envelope.source, envelope.sequence, sets))
            if len(self.deeds) > 1 and self.deeds[-2][:3] > self.deeds[-1][:3]:
                self.deeds.sort(key=_place)

    def written(self) -> str:
        """As the table keeps it."""
        whole = [self.lodged, self.deeds, self.requests, self.answers, self.erased]
        return _WRITTEN.encode(whole).decode()

    @classmethod
    def read(cls, text: str) -> "Standing":
        """What `written` wrote."""
        lodged, deeds, requests, answers, erased = _READ.decode(text)
        return cls(lodged, [Deed(*deed) for deed in deeds], requests, answers, erased)


@dataclass(slots=True)
class Now:
    """What is true of a case now."""

    path: tuple[str, ...]
    ending: str | None
    sets: Mapping[str, object]
    """What the deeds of the holders have set, the later ones over the earlier."""

    @property
    def stage(self) -> str:
        """The holder; of a case that is over, the last one."""
        return self.path[-1]

    @property
    def step(self) -> str | None:
        """What is to be done; None when the case is over."""
        return None if self.ending is not None else _STEP_AT[self.stage]

    @property
    def state(self) -> str:
        """In one word."""
        if self.ending is not None:
            return self.ending
        is_returned = self.stage == _EXECUTOR and self.path[-2] == _SIGNING
        return "returned" if is_returned else _STATE_AT[self.stage]

    def at(self, name: str) -> datetime | None:
        """A time that was set."""
        text = self.sets.get(name)
        return datetime.fromisoformat(text) if isinstance(text, str) else None


_INTAKE, _SIGNING, _EXECUTOR = (
    source.value for source in (Source.INTAKE, Source.SIGNING, Source.EXECUTOR)
)
_STEP_AT: Final = {source.value: step.value for source, step in STEP_OF.items()}
_STATE_AT: Final = {
    Source.INTAKE.value: "lodged",
    Source.ROUTING.value: "registered",
    Source.EXECUTOR.value: "assigned",
    Source.SIGNING.value: "drafted",
    Source.NOTIFY.value: "signed",
}


def now_of(standing: Standing) -> Now:
    """What is true now: the path as far as the hand-offs lead, and what its holders set."""
    path = [_INTAKE]
    ending: str | None = None
    sets: Values = {}
    for turn, source, _, said in standing.deeds:
        # In order of turns: what a hand-off says of the next holder is known before it is needed.
        if turn < len(path) and source == path[turn]:
            sets.update(said)
            if "to" in said:
                path[turn + 1 :] = [str(said["to"])]
    last = (len(path) - 1, path[-1])
    for turn, source, _, said in standing.deeds:
        if "ends" in said and (turn, source) == last:
            ending = str(said["ends"])
            sets["ended_at"] = said["ended_at"]
            break
    return Now(tuple(path), ending, sets)


def _said(standing: Standing, fact: Heard) -> Values:
    """What a fact sets; statements go into the standing itself and set nothing."""
    match fact.event:
        case ApplicationLodged() as event:
            standing.lodged = _lodged(event, synthetic=fact.envelope.synthetic)
            sets: Values = {"lodged_at": event.lodged_at.isoformat(), **_term(event.due)}
        case ApplicationRegistered() as event:
            sets = {
                "registration_number": event.registration_number,
                "registered_at": event.registered_at.isoformat(),
                "whole_due_at": event.whole_due.at.isoformat(),
                **_term(event.due),
            }
        case ExecutorAssigned(executor=executor, due=due):
            sets = {"executor": executor, **_term(due)}
        case NotificationDrafted(outcome=outcome, due=due):
            sets = {"outcome": outcome, **_term(due)}
        case NotificationSigned(due=due) | NotificationReturned(due=due):
            sets = _term(due)
        case ExecutorReassigned(executor=executor):
            sets = {"executor": executor}
        case StageOverdue():
            sets = {"overdue": True}
        case _:
            _heed_statement(standing, fact)
            sets = _ending(fact)
    return sets


def _ending(fact: Heard) -> Values:
    match fact.event:
        case ResultIssued(result_number=number, outcome=outcome, issued_at=at):
            return {"result_number": number, "outcome": outcome, "ended_at": at.isoformat()}
        case RequestRejected(rejected_at=at) | CaseWithdrawn(withdrawn_at=at):
            return {"ended_at": at.isoformat()}
        case _:
            return {}


def _heed_statement(standing: Standing, fact: Heard) -> None:
    match fact.event:
        case WithdrawalRequested():
            standing.requests = [*standing.requests, str(fact.envelope.event_id)]
        case WithdrawalDeclined(request=request) | CaseWithdrawn(request=request):
            standing.answers = sorted({*standing.answers, str(request)})
        case PersonalDataErased():
            standing.erased = True
        case _:
            return


def _term(due: Due) -> Values:
    """A new term, which is not over."""
    return {"due_at": due.at.isoformat(), "due_clause": due.clause, "due_rule": due.rule.value}


def _lodged(event: ApplicationLodged, *, synthetic: bool) -> Values:
    return {
        "procedure": event.procedure,
        "edition": event.edition,
        "office": event.office,
        "channel": event.channel.value,
        "applicant": str(event.applicant),
        "result_kind": event.result_kind,
        "by_rule": " ".join(event.by_rule),
        "synthetic": synthetic,
    }


def _place(deed: Deed) -> tuple[int, str, int]:
    return deed[:3]
