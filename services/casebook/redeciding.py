"""Deciding again what was decided: would the rules, asked today, tell the same? Pure.

The inputs are those on record: the wish as far as the fact says it (`shared.hindsight`), the time
of the fact, the law by its digest, the calendar by its name, the people of that time, the case as
its stage can have known it. What a stage had read of the others at that moment is not on record;
that it is a beginning of what the log holds before the fact is. So a fact is the same if it is so
for one of these beginnings that fit its turn and its cause.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final

from services.casebook.grounds import Grounds
from shared.decider import Known
from shared.directory import Directory
from shared.errors import Refused
from shared.events.envelope import Fact
from shared.events.event import Event, private_of
from shared.hindsight import AnyRules, Recalled, Unknowable
from shared.identifiers import DEPARTMENT, Source
from shared.procedures.due import Due
from shared.procedures.working_time import OutsideCalendar
from shared.state import State

_TRIES_MAX: Final = 40
_MILLISECOND: Final = timedelta(milliseconds=1)
_NO_CALENDAR: Final = "none"
_SHOWN: Final = 120


class Verdict(StrEnum):
    """What comes of deciding a fact again."""

    SAME = "same"
    IN_PART = "same as far as it can be known"
    DIFFERS = "differs"
    UNKNOWABLE = "cannot be decided again"


@dataclass(frozen=True, slots=True)
class Redecided:
    """`why`: what differs, or why it cannot be known. `open`: fields that could not be judged.

    `unread`: so many facts before it its stage had not read yet, if it is to be the same.
    """

    verdict: Verdict
    why: tuple[str, ...] = ()
    open: Mapping[str, str] = field(default_factory=dict)
    unread: int = 0


@dataclass
class CaseHistory:
    """The facts of one case in the order of the log, and the states they give each stage."""

    facts: Sequence[Fact]
    _states: dict[Source, tuple[State, int]] = field(default_factory=dict)

    def before(self, place: int, rules: AnyRules) -> State:
        """What a stage knows that has read all before `place`."""
        source = rules.decider.source
        state: State
        state, upto = self._states.get(source, (rules.decider.state(), 0))
        for fact in self.facts[upto:place]:
            state = rules.decider.evolve(state, fact)
        self._states[source] = (state, place)
        return state

    def with_less(self, place: int, rules: AnyRules) -> Iterator[tuple[State, int]]:
        """What it knows that has read less of the others: with one foreign fact less each time.

        Not less than the fact that was the cause.
        """
        source, cause = rules.decider.source, self.facts[place].envelope.causation_id
        foreign = [fact for fact in self.facts[:place] if fact.envelope.source is not source]
        own = [fact for fact in self.facts[:place] if fact.envelope.source is source]
        for less in range(1, min(len(foreign), _TRIES_MAX) + 1):
            if foreign[len(foreign) - less].envelope.event_id == cause:
                return
            state = rules.decider.state()
            for fact in (*own, *foreign[: len(foreign) - less]):
                state = rules.decider.evolve(state, fact)
            yield state, less


def redecided(history: CaseHistory, place: int, grounds: Grounds) -> Redecided:
    """The verdict over the fact at a place."""
    fact = history.facts[place]
    envelope = fact.envelope
    try:
        rules = grounds.book.of(envelope.case_id, envelope.source)
        grounds.require_law(envelope.procedure)
        state = history.before(place, rules)
        recalled = rules.recall(fact, state)
        first = _first_difference(fact, state, recalled, rules, grounds)
        if first is None:
            return _agreed(recalled)
        for earlier, less in history.with_less(place, rules):
            again = rules.recall(fact, earlier)
            if _first_difference(fact, earlier, again, rules, grounds) is None:
                return _agreed(again, less)
    except Unknowable as why:
        return Redecided(Verdict.UNKNOWABLE, (str(why),))
    except OutsideCalendar:
        return Redecided(Verdict.UNKNOWABLE, (f"this build has no {_calendar_of(fact.event)}",))
    return Redecided(Verdict.DIFFERS, first, recalled.open)


def _agreed(recalled: Recalled[Any], less: int = 0) -> Redecided:
    left_open = {**recalled.open, **recalled.possible}
    return Redecided(Verdict.IN_PART if left_open else Verdict.SAME, (), left_open, less)


def _first_difference(
    fact: Fact, state: State, recalled: Recalled[Any], rules: AnyRules, grounds: Grounds
) -> tuple[str, ...] | None:
    """What differs with the people as they were; None if nothing does with those of some moment."""
    turn = rules.decider.course(state).turn
    if turn != fact.envelope.turn:
        return (f"turn: told {fact.envelope.turn}, now {turn}",)
    first: tuple[str, ...] | None = None
    moment = _moment_of(fact)
    for directory in _people(fact, state, grounds):
        known = Known(
            now=moment,
            procedures=grounds.procedures,
            calendar=grounds.calendars(_calendar_of(fact.event)),
            directory=directory,
            loads=recalled.loads,
        )
        found = _differences(fact.event, state, recalled, rules, known)
        if not found:
            return None
        first = first or found
    return first


def _people(fact: Fact, state: State, grounds: Grounds) -> Sequence[Directory]:
    if fact.envelope.case_id == DEPARTMENT:
        found = getattr(state, "directory", None)
        if isinstance(found, Directory):
            return [found]
    return grounds.people.at(fact.envelope.time)


def _differences(
    told: Event, state: State, recalled: Recalled[Any], rules: AnyRules, known: Known
) -> tuple[str, ...]:
    try:
        events = rules.decider.decide(recalled.command, state, known)
    except Refused as refused:
        return (f"the rules refuse: {refused.rule} (expected {refused.expected})"[: _SHOWN * 2],)
    except OutsideCalendar:
        raise
    except Exception as fault:  # noqa: BLE001 - a rule that fails is what the audit has to say
        return (f"the rules fail: {type(fault).__name__}",)
    now = next((event for event in events if type(event) is type(told)), None)
    if now is None:
        return ("the rules tell nothing of the kind",)
    return _fields(told, now, recalled.open)


def _fields(told: Event, now: Event, left_open: Mapping[str, str]) -> tuple[str, ...]:
    """Which fields differ; of what is sealed only whether there is something."""
    found = []
    before, after = told.__dict__, now.__dict__
    for name, value in before.items():
        if name == "private":
            if (private_of(told) is None) != (private_of(now) is None):
                found.append("private: there is a sealed part only in one of them")
        elif value != after[name] and name not in left_open:
            found.append(f"{name}: told {_shown(value)}, now {_shown(after[name])}")
    return tuple(found)


def _shown(value: object) -> str:
    if isinstance(value, Due):
        value = f"{value.at.isoformat()} ({value.clause}, {value.rule.value}, {value.calendar})"
    return str(value)[:_SHOWN]


def _moment_of(fact: Fact) -> datetime:
    """When it was decided. The envelope writes milliseconds, the fact itself what was known."""
    name = _instant_in(type(fact.event))
    said = fact.event.__dict__[name] if name is not None else None
    at = fact.envelope.time
    if isinstance(said, datetime) and timedelta(0) <= said - at < _MILLISECOND:
        return said
    return at


@cache
def _instant_in(kind: type[Event]) -> str | None:
    return next((name for name in kind.model_fields if name.endswith("_at")), None)


def _calendar_of(event: Event) -> str:
    due = event.__dict__.get("due")
    return due.calendar if isinstance(due, Due) else _NO_CALENDAR
