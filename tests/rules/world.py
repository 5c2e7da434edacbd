"""Five stages and one case in memory: journals, a log, reading in one's own time.

What the shell does with real Kafka and Postgres, without them: facts are folded when they are
recorded or read, published in order, read once though they come twice. The world also knows the
truth, which no stage does: all facts in the order in which they were really recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.executor.decider import DECIDER as EXECUTOR_DECIDER
from services.intake.decider import DECIDER as INTAKE_DECIDER
from services.notify.decider import DECIDER as NOTIFY_DECIDER
from services.routing.decider import DECIDER as ROUTING_DECIDER
from services.signing.decider import DECIDER as SIGNING_DECIDER
from shared.course import Course
from shared.decider import CaseState, Command, Decider, Known
from shared.errors import Refused
from shared.events.catalogue import Entry, entry_of
from shared.events.codec import decode, encode
from shared.events.envelope import GENESIS, Envelope, Fact
from shared.events.event import Event, Kind, Private
from shared.events.executor import NotificationDrafted
from shared.events.holder import CaseWithdrawn, WithdrawalDeclined
from shared.events.intake import WithdrawalRequested
from shared.events.notify import ResultIssued
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.identifiers import EventId, Source
from shared.messaging.reading import Seen, Verdict, applied, judge
from tests.rules.scenario import CASE, KNOWN, NOW, OFFICE

DECIDERS: tuple[Decider[Any, Any], ...] = (
    INTAKE_DECIDER,
    ROUTING_DECIDER,
    EXECUTOR_DECIDER,
    SIGNING_DECIDER,
    NOTIFY_DECIDER,
)
_REACTIONS_MAX = 4


@dataclass
class Stage:
    """One service: its journal, how far it has published and read, its state as stored."""

    decider: Decider[Any, Any]
    journal: list[Fact] = field(default_factory=list)
    published: int = 0
    read: int = 0
    foreign: list[Fact] = field(default_factory=list)
    seen: Seen = field(default_factory=lambda: Seen({}))
    stored: str = ""

    @property
    def source(self) -> Source:
        return self.decider.source

    @property
    def case(self) -> CaseState:
        if not self.stored:
            first: CaseState = self.decider.state()
            return first
        stored: CaseState = self.decider.state.read(self.stored)
        return stored

    def fold(self, fact: Fact) -> None:
        """Take a fact in, own or foreign, and store the state."""
        envelope = fact.envelope
        self.stored = self.decider.evolve(self.case, fact).written()
        self.seen = applied(self.seen, envelope.source, envelope.event_id)

    def rebuilt(self, facts: list[Fact]) -> str:
        """The state that these facts give, from nothing."""
        case = self.decider.state()
        for fact in facts:
            case = self.decider.evolve(case, fact)
        return str(case.written())


class World:
    """See the module."""

    def __init__(self) -> None:
        self.stages = {decider.source: Stage(decider) for decider in DECIDERS}
        self.log: list[Fact] = []
        self.truth = Course()
        self.recorded: list[Fact] = []
        self.now = NOW

    @property
    def known(self) -> Known:
        return replace(KNOWN, now=self.now)

    def wait(self, time: timedelta) -> None:
        """Time passes."""
        self.now += time

    def wish(self, source: Source, command: Command) -> bool:
        """Somebody asks a stage for something; whether the rules allowed it."""
        stage = self.stages[source]
        try:
            events = stage.decider.decide(command, stage.case, self.known)
        except Refused:
            return False
        self._record(stage, events, command.actor)
        if any(type(event) in stage.decider.heeds for event in events):
            self._react(stage)
        return True

    def publish(self, source: Source) -> None:
        """The stage's relay sends everything that waits."""
        stage = self.stages[source]
        self.log.extend(stage.journal[stage.published :])
        stage.published = len(stage.journal)

    def publish_again(self, source: Source, back: int) -> None:
        """A relay that was cut off sends its last facts a second time."""
        stage = self.stages[source]
        self.log.extend(stage.journal[max(0, stage.published - back) : stage.published])

    def read(self, source: Source, most: int) -> None:
        """The stage reads on in the log."""
        stage = self.stages[source]
        for fact in self.log[stage.read : stage.read + most]:
            stage.read += 1
            self._take(stage, fact)

    def read_again(self, source: Source, back: int) -> None:
        """A consumer that was replaced gets records a second time."""
        stage = self.stages[source]
        for fact in self.log[max(0, stage.read - back) : stage.read]:
            self._take(stage, fact)

    def fire(self, source: Source) -> None:
        """The stage looks at a case that is due: it says so, and is not due any more."""
        stage = self.stages[source]
        due = stage.decider.due(stage.case)
        if due is not None:
            command = stage.decider.on_time(CASE, due)
            assert command is not None
            told = len(stage.journal)
            assert self.wish(source, command)
            assert len(stage.journal) > told
            assert stage.decider.due(stage.case) != due

    def rebuild(self, source: Source) -> None:
        """The stage loses its tables and gets them back from the log, then looks at the case."""
        stage = self.stages[source]
        stage.stored = stage.rebuilt(self.in_log_order(stage))
        self._react(stage)

    def drain(self) -> None:
        """Everybody publishes and reads until nothing is left."""
        while any(
            stage.published < len(stage.journal) or stage.read < len(self.log)
            for stage in self.stages.values()
        ):
            for source in self.stages:
                self.publish(source)
            for source in self.stages:
                self.read(source, len(self.log))

    def in_log_order(self, stage: Stage) -> list[Fact]:
        """What the stage knows, in the order of the log; what is not there yet comes last."""
        seen = Seen({})
        facts = []
        own = stage.journal
        for fact in (*self.log[: stage.read], *own):
            envelope = fact.envelope
            verdict = judge(seen, envelope.source, envelope.sequence, envelope.event_id)
            if verdict is Verdict.APPLY:
                seen = applied(seen, envelope.source, envelope.event_id)
                facts.append(fact)
        return facts

    def check_rebuilds(self, source: Source) -> None:
        """However the known facts are ordered, they give the state that is stored."""
        stage = self.stages[source]
        if not stage.journal and not stage.foreign:
            return
        orders = {
            "own facts first": [*stage.journal, *stage.foreign],
            "foreign facts first": [*stage.foreign, *stage.journal],
            "in log order": self.in_log_order(stage),
        }
        for order, facts in orders.items():
            assert stage.rebuilt(facts) == stage.stored, f"{source.value}, {order}"

    def check_nothing_waits(self, source: Source) -> None:
        """What the state calls for was done when the fact that called for it was folded."""
        stage = self.stages[source]
        assert stage.decider.react(CASE, stage.case, self.known) is None, source

    def last_digest(self) -> str:
        """Of the notification that was drawn up last."""
        drafts = (
            fact.event.digest
            for fact in reversed(self.recorded)
            if isinstance(fact.event, NotificationDrafted)
        )
        return next(drafts, "0" * 64)

    def check_the_end(self) -> None:
        """After everything was read: one answer to each wish, at most one end, one opinion."""
        asked = [f.envelope.event_id for f in self.recorded if _is(f, WithdrawalRequested)]
        answers = [
            fact.event.request
            for fact in self.recorded
            if isinstance(fact.event, CaseWithdrawn | WithdrawalDeclined)
        ]
        assert sorted(answers) == sorted(asked), "a wish without its one answer"
        assert sum(_is(fact, ResultIssued) for fact in self.recorded) <= 1
        assert sum(fact.entry.ends is not None for fact in self.recorded) <= 1
        turns = [f.envelope.turn for f in self.recorded if f.entry.kind is Kind.HAND_OFF]
        assert turns == list(range(len(turns))), "a turn was handed on twice or not at all"
        for stage in self.stages.values():
            assert stage.decider.course(stage.case) == self.truth, stage.source

    def _take(self, stage: Stage, fact: Fact) -> None:
        envelope = fact.envelope
        verdict = judge(stage.seen, envelope.source, envelope.sequence, envelope.event_id)
        assert verdict in (Verdict.APPLY, Verdict.SKIP)
        if verdict is Verdict.SKIP:
            return
        assert envelope.source is not stage.source
        stage.foreign.append(fact)
        stage.fold(fact)
        if type(fact.event) in stage.decider.heeds:
            self._react(stage)

    def _react(self, stage: Stage) -> None:
        for _ in range(_REACTIONS_MAX):
            command = stage.decider.react(CASE, stage.case, self.known)
            if command is None:
                return
            events = stage.decider.decide(command, stage.case, self.known)
            assert events, f"{command} asked for itself and told nothing"
            self._record(stage, events, command.actor)
        raise AssertionError(f"{stage.source} reacts to itself without end")

    def _record(self, stage: Stage, events: Sequence[Event], actor: str) -> None:
        for event in events:
            self._record_one(stage, event, actor)

    def _record_one(self, stage: Stage, event: Event, actor: str) -> None:
        entry = entry_of(event, stage.source)
        course = stage.decider.course(stage.case)
        envelope = self._envelope(stage, entry, course.turn, actor)
        self._check_holder(Fact(envelope, entry, event))
        if isinstance(event, NotificationSigned | NotificationReturned | ResultIssued):
            assert event.digest == self.last_digest(), "not what was drawn up last"
        # The state is folded from the event as decided, the journal holds it sealed: if anything
        # private got into a state, the rebuilds would differ.
        stage.fold(Fact(envelope, entry, event))
        _, sealed = decode(entry.type, encode(_sealed(event)))
        fact = Fact(envelope, entry, sealed)
        stage.journal.append(fact)
        self.recorded.append(fact)
        self.truth = self.truth.heard(fact)

    def _envelope(self, stage: Stage, entry: Entry, turn: int, actor: str) -> Envelope:
        number = 0x01900000_0000_7000_8000_000000000000 | (len(self.recorded) + 1)
        return Envelope(
            event_id=EventId(UUID(int=number)),
            type=entry.type,
            source=stage.source,
            case_id=CASE,
            sequence=len(stage.journal) + 1,
            turn=turn,
            time=self.now,
            actor=actor,
            office=OFFICE,
            procedure="p@2016-08-25#0",
            synthetic=False,
            prev_hash=GENESIS,
        )

    def _check_holder(self, fact: Fact) -> None:
        """Nobody decides on a case that it does not hold, as the truth has it."""
        truth, source = self.truth, fact.envelope.source
        if fact.entry.kind is Kind.STATEMENT or truth.lodged is None:
            return
        late = _is(fact, WithdrawalDeclined)
        assert truth.holder is source, f"{source.value} tells {fact.entry.type}, not the holder"
        assert (truth.ending is not None) == late, f"{fact.entry.type} of a case that is over"
        assert truth.turn == fact.envelope.turn


def _sealed(event: Event) -> Event:
    if isinstance(getattr(event, "private", None), Private):
        return event.model_copy(update={"private": "sealed.v1.AAAA"})
    return event


def _is(fact: Fact, kind: type[Event]) -> bool:
    return isinstance(fact.event, kind)
