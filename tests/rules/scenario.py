"""Given facts, when a command, then events: one case of one stage, without any I/O.

    case.given(LODGED, REGISTERED).when(AssignExecutor(...)).then(ExecutorAssigned(...))

The envelopes are made up here: each event gets its owner's next sequence, and the turn in which
its source held the case. The people and the instant are the same for all tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from shared.course import Course
from shared.decider import Decider, Errand, Known
from shared.directory import Acting, Away, Directory, Member
from shared.errors import Because, Refused
from shared.events.catalogue import ENTRIES, entry_of
from shared.events.envelope import GENESIS, Envelope, Fact, ProcedureRef
from shared.events.event import Event
from shared.identifiers import ApplicantRef, CaseId, EventId, Role, Source
from shared.procedures.catalogue import load_catalogue
from shared.procedures.working_time import calendar_from_holidays
from shared.state import State

NOW = datetime(2026, 1, 12, 4, 0, tzinfo=UTC)
"""Monday, 09:00 in the city; no holiday until March."""
TODAY = date(2026, 1, 12)
LATER = NOW + timedelta(days=40)

CASE = CaseId(UUID("01900000-0000-7000-8000-00000000c45e"))
APPLICANT = ApplicantRef(UUID("01900000-0000-7000-8000-0000000a99aa"))
OFFICE = "saryarka"

OFFICE_CLERK = "staff:aigul"
HEAD = "staff:serik"
MANAGEMENT = "staff:botagoz"
EXECUTOR = "staff:dana"
COLLEAGUE = "staff:erlan"
ON_LEAVE = "staff:gulnar"
ELSEWHERE = "staff:kairat"
NO_LONGER = "staff:madina"
DOUBLE = "staff:nurlan"
"""An executor who acts for the head and the management."""
OPERATOR = "operator:timur"
ADMINISTRATOR = "staff:zarina"


def _member(*roles: Role, office: str = OFFICE, active: bool = True) -> Member:
    return Member(office=office, roles=roles, active=active)


DIRECTORY = Directory(
    members={
        "aigul": _member(Role.OFFICE_SPECIALIST),
        "serik": _member(Role.HEAD),
        "botagoz": _member(Role.MANAGEMENT),
        "dana": _member(Role.RESPONSIBLE_EXECUTOR),
        "erlan": _member(Role.RESPONSIBLE_EXECUTOR),
        "gulnar": _member(Role.RESPONSIBLE_EXECUTOR),
        "kairat": _member(
            Role.HEAD,
            Role.MANAGEMENT,
            Role.RESPONSIBLE_EXECUTOR,
            Role.OFFICE_SPECIALIST,
            office="almaty",
        ),
        "madina": _member(Role.RESPONSIBLE_EXECUTOR, active=False),
        "nurlan": _member(Role.RESPONSIBLE_EXECUTOR),
        "timur": _member(Role.OPERATOR),
        "zarina": _member(Role.ADMINISTRATOR),
    },
    absences=(Away(staff="gulnar", first_day=TODAY, last_day=TODAY + timedelta(days=3)),),
    acting=tuple(
        Acting(role=role, office=OFFICE, staff="nurlan", first_day=TODAY, last_day=TODAY)
        for role in (Role.HEAD, Role.MANAGEMENT)
    ),
)

KNOWN = Known(
    now=NOW,
    procedures=load_catalogue(),
    calendar=calendar_from_holidays(range(2025, 2028)),
    directory=DIRECTORY,
    salt="a fresh salt",
)

C = TypeVar("C")
S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Told:
    """An event by a source that several could be, by an actor or in a turn that matters."""

    event: Event
    source: Source | None = None
    actor: str = "staff:somebody"
    turn: int | None = None
    event_id: EventId | None = None


def fact_of(told: Told | Event, course: Course, sequences: Mapping[Source, int]) -> Fact:
    """The fact that the log would hold."""
    said = told if isinstance(told, Told) else Told(told)
    source = said.source or next(
        entry.owner for entry in ENTRIES if entry.model is type(said.event)
    )
    entry = entry_of(said.event, source)
    sequence = sequences.get(source, 0) + 1
    lodged = course.lodged
    envelope = Envelope(
        event_id=said.event_id or event_id(source, sequence),
        type=entry.type,
        source=source,
        case_id=CASE,
        sequence=sequence,
        turn=course.turn if said.turn is None else said.turn,
        time=NOW,
        actor=said.actor,
        office=lodged.office if lodged else OFFICE,
        procedure=str(ProcedureRef("p", "2016-08-25", "0" * 64)),
        synthetic=False,
        prev_hash=GENESIS,
    )
    return Fact(envelope, entry, said.event)


def event_id(source: Source, sequence: int) -> EventId:
    """The id that the harness gives to a source's event of that sequence."""
    number = (list(Source).index(source) + 1) << 16 | sequence
    return EventId(UUID(int=0x01900000_0000_7000_8000_000000000000 | number))


class Scenario(Generic[C, S]):
    """One case of one stage. `case` is its state so far."""

    def __init__(self, decider: Decider[C, S], known: Known = KNOWN) -> None:
        self.decider = decider
        self.known = known
        self.case = decider.state()
        self.facts: list[Fact] = []
        self._everything = Course()
        self._outcome: list[Event] | Refused = []

    def given(self, *told: Told | Event) -> "Scenario[C, S]":
        """These facts, in this order, were folded."""
        for one in told:
            sequences: dict[Source, int] = {}
            for fact in self.facts:
                sequences[fact.envelope.source] = fact.envelope.sequence
            fact = fact_of(one, self._everything, sequences)
            self.facts.append(fact)
            self._everything = self._everything.heard(fact)
            self.case = self.decider.evolve(self.case, fact)
        return self

    def at(self, now: datetime) -> "Scenario[C, S]":
        """Another time than the usual one."""
        self.known = replace(self.known, now=now)
        return self

    def knowing(self, known: Known) -> "Scenario[C, S]":
        """Another world than the usual one."""
        self.known = known
        return self

    def when(self, command: C) -> "Scenario[C, S]":
        """Somebody wishes this."""
        try:
            self._outcome = list(self.decider.decide(command, self.case, self.known))
        except Refused as refused:
            self._outcome = refused
        return self

    def then(self, *events: Event) -> None:
        """Exactly these events follow."""
        assert self._events() == list(events)

    def then_one(self) -> Event:
        """Exactly one event follows: this one."""
        (event,) = self._events()
        return event

    def then_nothing(self) -> None:
        """The rule has nothing to do."""
        assert self._events() == []

    def then_refused(
        self, rule: str, because: Because = Because.STATE, clause: str | None = None
    ) -> None:
        """The rule says no, in these words."""
        assert isinstance(self._outcome, Refused), f"not refused: {self._outcome}"
        assert (self._outcome.rule, self._outcome.because) == (rule, because)
        if clause is not None:
            assert self._outcome.clause == clause

    def then_not_allowed(self, clause: str | None = None) -> None:
        """Somebody else may do this."""
        assert isinstance(self._outcome, Refused), f"not refused: {self._outcome}"
        assert self._outcome.because is Because.ACTOR
        if clause is not None:
            assert self._outcome.clause == clause

    def reaction(self) -> C | None:
        """What the case now calls for."""
        return self.decider.react(CASE, self.case, self.known)

    def errands(self) -> list[Errand]:
        """What the last fact asks of the outside."""
        return list(self.decider.errands(self.facts[-1], self.case))

    def _events(self) -> list[Event]:
        assert not isinstance(self._outcome, Refused), f"refused: {self._outcome}"
        return self._outcome
