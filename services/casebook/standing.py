"""Where a case stands: folded from its facts, pure, and the same in whatever order they are read.

The course of a case is judged as `shared.course` judges it in the stages (a test compares the
two). It is kept here as plain values, because casebook writes it for every case of every batch:
each binding fact is a deed, what is true now is found by walking the path of the holders, and
only the deeds of who held the turn count (D8).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Final, Protocol

from msgspec.json import Decoder, Encoder

from shared.events.attributes import EVENT, SEQUENCE, SOURCE, SYNTHETIC, TURN, Spelt
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
        sets: Values = {}
        if (hearing := _hearing(entry.model)) is not None:
            told, picked = hearing
            sets = told(self, fact, picked(fact.words))
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
_APPLICATION: Final = ("procedure", "edition", "office", "channel", "applicant", "result_kind")


def _lodged(standing: Standing, fact: Heard, said: Words) -> Values:
    at, by_rule, *due = said[: -len(_APPLICATION)]
    standing.lodged = {
        **dict(zip(_APPLICATION, said[-len(_APPLICATION) :], strict=True)),
        "by_rule": " ".join(_TEXTS.decode(by_rule or "[]")),
        "synthetic": fact.heading[SYNTHETIC] == "true",
    }
    return {"lodged_at": at, **_term(due)}


def _registered(_: Standing, __: Heard, said: Words) -> Values:
    number, at, whole_due_at, *due = said
    return {
        "registration_number": number,
        "registered_at": at,
        "whole_due_at": whole_due_at,
        **_term(due),
    }


def _assigned(_: Standing, __: Heard, said: Words) -> Values:
    executor, *due = said
    return {"executor": executor, **_term(due)}


def _reassigned(_: Standing, __: Heard, said: Words) -> Values:
    return {"executor": said[0]}


def _drafted(_: Standing, __: Heard, said: Words) -> Values:
    outcome, *due = said
    return {"outcome": outcome, **_term(due)}


def _passed_on(_: Standing, __: Heard, said: Words) -> Values:
    return _term(said)


def _overdue(_: Standing, __: Heard, ___: Words) -> Values:
    return {"overdue": True}


def _issued(_: Standing, __: Heard, said: Words) -> Values:
    number, outcome, at = said
    return {"result_number": number, "outcome": outcome, "ended_at": at}


def _rejected(_: Standing, __: Heard, said: Words) -> Values:
    return {"ended_at": said[0]}


def _requested(standing: Standing, fact: Heard, _: Words) -> Values:
    standing.requests = [*standing.requests, fact.heading[EVENT]]
    return {}


def _answered(standing: Standing, _: Heard, said: Words) -> Values:
    standing.answers = sorted({*standing.answers, str(said[0])})
    return {}


def _withdrawn(standing: Standing, fact: Heard, said: Words) -> Values:
    _answered(standing, fact, said)
    return {"ended_at": said[1]}


def _erased(standing: Standing, _: Heard, __: Words) -> Values:
    standing.erased = True
    return {}


_Telling = Callable[[Standing, Heard, Words], Values]
_TOLD: Final[Mapping[type[Event], tuple[_Telling, tuple[str, ...]]]] = {
    ApplicationLodged: (_lodged, ("lodged_at", "by_rule", *_TERM, *_APPLICATION)),
    ApplicationRegistered: (
        _registered,
        ("registration_number", "registered_at", "whole_due.at", *_TERM),
    ),
    RequestRejected: (_rejected, ("rejected_at",)),
    WithdrawalRequested: (_requested, ()),
    PersonalDataErased: (_erased, ()),
    ExecutorAssigned: (_assigned, ("executor", *_TERM)),
    ExecutorReassigned: (_reassigned, ("executor",)),
    NotificationDrafted: (_drafted, ("outcome", *_TERM)),
    NotificationSigned: (_passed_on, _TERM),
    NotificationReturned: (_passed_on, _TERM),
    ResultIssued: (_issued, ("result_number", "outcome", "issued_at")),
    StageOverdue: (_overdue, ()),
    CaseWithdrawn: (_withdrawn, ("request", "withdrawn_at")),
    WithdrawalDeclined: (_answered, ("request",)),
}
"""What each fact sets, and the words that it is told by; statements go into the standing itself and
set nothing. Of all others it is only of interest whether they hand the case on or end it."""


@cache
def _hearing(model: type[Event]) -> tuple[_Telling, Callable[[Words], Words]] | None:
    """What a model's facts set, with where its words stand; also of a newer shape of one."""
    for each in model.__mro__:
        if each in _TOLD:
            told, paths = _TOLD[each]
            return told, picking(model, *paths)
    return None


def _term(due: Sequence[str | None]) -> Values:
    """A new term, which is not over."""
    at, clause, rule = due
    return {"due_at": at, "due_clause": clause, "due_rule": rule}


def _place(deed: Deed) -> tuple[int, str, int]:
    return deed[:3]
