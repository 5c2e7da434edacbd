"""Where a case stands: folded from its facts, pure, and the same in whatever order they are read.

The course of a case is judged as `shared.course` judges it in the stages (a test compares the
two). It is kept here as plain values, because casebook writes it for every case of every batch:
each binding fact is a deed, what is true now is found by walking the path of the holders, and
only the deeds of who held the turn count (D8).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from msgspec.json import Decoder, Encoder

from shared.events.catalogue import Entry
from shared.events.envelope import EVENT, SEQUENCE, SOURCE, SYNTHETIC, TURN, Spelt
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
from shared.events.spelling import Words, picking
from shared.identifiers import Source
from shared.terms import STEP_OF

Values = dict[str, object]
_WRITTEN: Final = Encoder()
_READ: Final = Decoder()
_TEXTS: Final = Decoder(list[str])


class Heard(Protocol):
    """A fact by its words, fresh from the log or as a timeline has kept it."""

    @property
    def heading(self) -> Spelt: ...
    @property
    def entry(self) -> Entry: ...
    @property
    def words(self) -> Words: ...


Deed = tuple[int, str, int, Values]
"""What one binding fact says about the case, with its turn, source and sequence before it.

Plain values, times as text. `to` is the next holder of a hand-off, `ends` how the case is over; the
rest is what it sets. A plain tuple: there is one for nearly every fact.
"""


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
        entry = fact.entry
        said = _SAID.get(entry.model)
        sets = said(self, fact) if said is not None else {}
        if entry.hands_to is not None:
            sets["to"] = str(entry.hands_to)
            sets["overdue"] = False
        if entry.ends is not None:
            sets["ends"] = entry.ends
        if sets:
            heading = fact.heading
            deed = (int(heading[TURN]), heading[SOURCE], int(heading[SEQUENCE]), sets)
            self.deeds.append(deed)
            if len(self.deeds) > 1 and _place(self.deeds[-2]) > _place(deed):
                self.deeds.sort(key=_place)

    def written(self) -> str:
        """As the table keeps it."""
        whole = [self.lodged, self.deeds, self.requests, self.answers, self.erased]
        return _WRITTEN.encode(whole).decode()

    @classmethod
    def read(cls, text: str) -> "Standing":
        """What `written` wrote."""
        lodged, deeds, requests, answers, erased = _READ.decode(text)
        return cls(lodged, [tuple(deed) for deed in deeds], requests, answers, erased)


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


_TERM: Final = ("due.at", "due.clause", "due.rule")
_LODGED: Final = (
    "procedure", "edition", "office", "channel", "applicant", "result_kind", "by_rule",
)  # fmt: skip
_lodging = picking(ApplicationLodged, "lodged_at", *_TERM)
_application = picking(ApplicationLodged, *_LODGED)
_registering = picking(
    ApplicationRegistered, "registration_number", "registered_at", "whole_due.at", *_TERM
)
_assigning = picking(ExecutorAssigned, "executor", *_TERM)
_drafting = picking(NotificationDrafted, "outcome", *_TERM)
_signing = picking(NotificationSigned, *_TERM)
_returning = picking(NotificationReturned, *_TERM)
_issuing = picking(ResultIssued, "result_number", "outcome", "issued_at")
_withdrawing = picking(CaseWithdrawn, "request", "withdrawn_at")
_declining = picking(WithdrawalDeclined, "request", "declined_at")
_rejecting = picking(RequestRejected, "rejected_at", "check")
_reassigning = picking(ExecutorReassigned, "executor", "previous")


def _heard_lodged(standing: Standing, fact: Heard) -> Values:
    application = dict(zip(_LODGED, _application(fact.words), strict=True))
    by_rule = " ".join(_TEXTS.decode(application["by_rule"] or "[]"))
    synthetic = fact.heading[SYNTHETIC] == "true"
    standing.lodged = {**application, "by_rule": by_rule, "synthetic": synthetic}
    lodged_at, *due = _lodging(fact.words)
    return {"lodged_at": lodged_at, **_term(due)}


def _heard_registered(_: Standing, fact: Heard) -> Values:
    number, registered_at, whole_due_at, *due = _registering(fact.words)
    return {
        "registration_number": number,
        "registered_at": registered_at,
        "whole_due_at": whole_due_at,
        **_term(due),
    }


def _heard_assigned(_: Standing, fact: Heard) -> Values:
    executor, *due = _assigning(fact.words)
    return {"executor": executor, **_term(due)}


def _heard_reassigned(_: Standing, fact: Heard) -> Values:
    return {"executor": _reassigning(fact.words)[0]}


def _heard_drafted(_: Standing, fact: Heard) -> Values:
    outcome, *due = _drafting(fact.words)
    return {"outcome": outcome, **_term(due)}


def _heard_signed(_: Standing, fact: Heard) -> Values:
    return _term(_signing(fact.words))


def _heard_returned(_: Standing, fact: Heard) -> Values:
    return _term(_returning(fact.words))


def _heard_overdue(_: Standing, __: Heard) -> Values:
    return {"overdue": True}


def _heard_issued(_: Standing, fact: Heard) -> Values:
    number, outcome, at = _issuing(fact.words)
    return {"result_number": number, "outcome": outcome, "ended_at": at}


def _heard_rejected(_: Standing, fact: Heard) -> Values:
    return {"ended_at": _rejecting(fact.words)[0]}


def _heard_requested(standing: Standing, fact: Heard) -> Values:
    standing.requests = [*standing.requests, fact.heading[EVENT]]
    return {}


def _heard_declined(standing: Standing, fact: Heard) -> Values:
    standing.answers = sorted({*standing.answers, str(_declining(fact.words)[0])})
    return {}


def _heard_withdrawn(standing: Standing, fact: Heard) -> Values:
    request, at = _withdrawing(fact.words)
    standing.answers = sorted({*standing.answers, str(request)})
    return {"ended_at": at}


def _heard_erased(standing: Standing, _: Heard) -> Values:
    standing.erased = True
    return {}


_SAID: Final[Mapping[type[Event], Callable[[Standing, Heard], Values]]] = {
    ApplicationLodged: _heard_lodged,
    ApplicationRegistered: _heard_registered,
    RequestRejected: _heard_rejected,
    WithdrawalRequested: _heard_requested,
    PersonalDataErased: _heard_erased,
    ExecutorAssigned: _heard_assigned,
    ExecutorReassigned: _heard_reassigned,
    NotificationDrafted: _heard_drafted,
    NotificationSigned: _heard_signed,
    NotificationReturned: _heard_returned,
    ResultIssued: _heard_issued,
    StageOverdue: _heard_overdue,
    CaseWithdrawn: _heard_withdrawn,
    WithdrawalDeclined: _heard_declined,
}
"""What each fact sets; statements go into the standing itself and set nothing. Of all others it is
only of interest whether they hand the case on or end it."""


def _term(due: Sequence[str | None]) -> Values:
    """A new term, which is not over."""
    at, clause, rule = due
    return {"due_at": at, "due_clause": clause, "due_rule": rule}


def _place(deed: Deed) -> tuple[int, str, int]:
    return deed[:3]
