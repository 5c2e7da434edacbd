"""One transaction's work in memory: cases under lock, facts folded, commands decided.

Everything here is synchronous and undone by `attempt` when a case fails, so that one bad record
or command leaves nothing behind. `finish` seals and chains what was decided, `write` stores it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from shared.decider import Command, Errand, Known
from shared.events.catalogue import entry_of
from shared.events.codec import encode
from shared.events.envelope import Envelope, Fact, ProcedureRef, canonical, chain_hash
from shared.events.event import ERASED, Event, clear_of
from shared.events.holder import ParkedResolved
from shared.events.intake import ApplicationLodged
from shared.identifiers import DEPARTMENT, CaseId, EventId, Source, new_id
from shared.journal import rows as sql
from shared.journal.rows import CaseRow, JournalRow, Position, RequestRow
from shared.messaging.reading import applied, token_of, with_passed, with_skipped
from shared.postgres.pool import Connection
from shared.privacy.keys import Vault
from shared.privacy.sealing import CaseKey, plain_of, seal

_REACTIONS_MAX = 8
"""How often a case may answer itself in one go; beyond it the rules chase their own tail."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command comes from: what the envelope of its events says beside the actor."""

    office: str = "department"
    causation_id: EventId | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None
    synthetic: bool = False


@dataclass(slots=True)
class _Draft:
    row: CaseRow
    envelope: Envelope
    event: Event


@dataclass(slots=True)
class _Attempt:
    """A context that calls `undo` when its body raises; one is entered for each record."""

    undo: Callable[[], None]

    def __enter__(self) -> None:
        pass

    def __exit__(self, fault: type[BaseException] | None, *_: object) -> None:
        if fault is not None:
            self.undo()


class Work:
    """See the module. Lives as long as one transaction."""

    def __init__(self, source: Source, known: Known, cases: dict[CaseId, CaseRow]) -> None:
        self.known = known
        self.cases = cases
        self.keys: dict[CaseId, CaseKey] = {}
        """Keys that were just made for new cases; others are fetched when needed."""
        self._source = source
        self._loads: dict[str, int] = dict(known.loads)
        self.known = replace(known, loads=self._loads)
        self._drafts: list[_Draft] = []
        self._errands: list[Errand] = []
        self._requests: list[RequestRow] = []
        self._changed: set[CaseId] = set()
        self._journal: list[JournalRow] = []

    def attempt(self, row: CaseRow) -> "_Attempt":
        """What is done to `row` in the body of this is undone when it raises."""
        before = (row.state, row.seen, row.head, row.claim, row.parked, row.waits)
        marks = (len(self._drafts), len(self._errands), len(self._requests))
        was_changed = row.case_id in self._changed

        def undo() -> None:
            self._recount(row.claim, before[3])
            row.state, row.seen, row.head, row.claim, row.parked, row.waits = before
            del self._drafts[marks[0] :]
            del self._errands[marks[1] :]
            del self._requests[marks[2] :]
            if not was_changed:
                self._changed.discard(row.case_id)

        return _Attempt(undo)

    def fold(self, row: CaseRow, fact: Fact) -> None:
        """Take in a fact: another service's, or one of ours that a restore brought back.

        Raises MalformedEvent and whatever rules raise; then nothing was taken in.
        """
        decider = row.decider
        if fact.model is ParkedResolved:
            _ = fact.event  # no rule asks what it says, but we do, below
        state = decider.evolve(row.state, fact)
        errands = decider.errands(fact, state)
        # Nothing raises from here on: a fact is folded as a whole or not at all.
        row.state = state
        row.seen = applied(row.seen, fact.envelope.source, fact.envelope.event_id)
        self._note_skipped(row, fact)
        self._errands.extend(errands)
        self._settle(row)

    def restore(self, row: CaseRow, fact: Fact, attributes: Mapping[str, str], data: bytes) -> None:
        """Take back a fact of our own that the log has and our journal lacks (D18).

        Its attributes are taken as they stand in the log: they are what the chain hashes.
        """
        envelope = fact.envelope
        self.fold(row, fact)
        request = request_of(envelope)
        if request is not None:
            self._requests.append(request)
        text = canonical(attributes)
        row.head = chain_hash(text, data)
        self._journal.append(_journal_row(envelope, text, data, row.head))

    def react(self, row: CaseRow, origin: Origin) -> None:
        """Do what now stands in the case, until nothing is left to do."""
        decider = row.decider
        for _ in range(_REACTIONS_MAX):
            command = decider.react(row.case_id, row.state, self.known)
            if command is None or not self._decide(row, command, origin):
                return
        raise RuntimeError(f"{self._source.value} reacts to itself without end")

    def act(self, row: CaseRow, command: Command, origin: Origin) -> int:
        """Decide a command and tell its events; how many. Raises Refused and whatever rules raise.

        The request's key goes with all of them: a repeat is answered with the place of the last.
        """
        told = self._decide(row, command, origin)
        if told and any(type(event) in row.decider.heeds for event in told):
            self.react(row, origin)
        return len(told)

    def touch(self, row: CaseRow) -> None:
        """Write the row back although no fact changed it (it was parked, or it waits)."""
        self._changed.add(row.case_id)

    async def finish(self, vault: Vault | None) -> None:
        """Seal what is private, chain and encode. After this only `write` may follow.

        Raises Unavailable when the keys cannot be had.
        """
        sealed = {
            draft.row.case_id for draft in self._drafts if clear_of(draft.event) is not None
        } - self.keys.keys()
        if sealed:
            assert vault is not None, "a stage that tells private things needs the vault"
            if DEPARTMENT in sealed:
                self.keys.update(await vault.create_keys({DEPARTMENT: DEPARTMENT}))  # type: ignore[dict-item]
            self.keys.update(await vault.keys(sealed - self.keys.keys()))
        for draft in self._drafts:
            self._journal.append(self._journal_row(draft))

    async def write(self, connection: Connection) -> dict[tuple[CaseId, int], Position]:
        """Store everything; the journal position of each event told.

        Raises Conflict when somebody else wrote to one of the cases meanwhile.
        """
        # First, and in key order: who waits for another's case has written nothing that a third
        # could wait for.
        await sql.save_cases(connection, [self.cases[case_id] for case_id in self._changed])
        positions = await sql.record(connection, self._journal)
        await sql.save_errands(connection, self._errands)
        await sql.save_requests(connection, self._requests)
        return positions

    @property
    def told(self) -> list[str]:
        """The types of the events told, for the metrics."""
        return [draft.envelope.type for draft in self._drafts]

    def last_place(self, case_id: CaseId) -> int:
        """The sequence of this stage's last event of a case."""
        return self.cases[case_id].sequence(self._source)

    def _decide(self, row: CaseRow, command: Command, origin: Origin) -> list[Event]:
        decider = row.decider
        events = list(decider.decide(command, row.state, self.known))
        for event in events:
            self._tell(row, event, command.actor, origin)
        return events

    def _tell(self, row: CaseRow, event: Event, actor: str, origin: Origin) -> None:
        decider = row.decider
        course = decider.course(row.state)
        lodged = course.lodged
        if lodged is not None:
            office, synthetic = lodged.office, lodged.synthetic
            procedure = f"{lodged.procedure}@{lodged.edition}#{lodged.digest}"
        elif isinstance(event, ApplicationLodged):
            office, synthetic = event.office, origin.synthetic
            procedure = str(ProcedureRef(event.procedure, event.edition, event.procedure_digest))
        else:
            office, synthetic, procedure = origin.office, origin.synthetic, "department"
        entry = entry_of(event, self._source)
        private = clear_of(event)
        if private is not None:
            plain_of(private)  # too much of it is refused here, where one case alone is undone
        envelope = Envelope(
            event_id=EventId(new_id()),
            type=entry.type,
            source=self._source,
            case_id=row.case_id,
            sequence=row.sequence(self._source) + 1,
            turn=course.turn,
            time=self.known.now,
            actor=actor,
            office=office,
            procedure=procedure,
            synthetic=synthetic,
            prev_hash="",
            causation_id=origin.causation_id,
            idempotency_key=origin.idempotency_key,
            traceparent=origin.traceparent,
        )
        fact = Fact(envelope, entry, event)
        row.state = decider.evolve(row.state, fact)
        row.seen = applied(row.seen, self._source, envelope.event_id)
        self._note_skipped(row, fact)
        self._drafts.append(_Draft(row, envelope, event))
        self._errands.extend(decider.errands(fact, row.state))
        request = request_of(envelope)
        if request is not None:
            self._requests.append(request)
        self._settle(row)

    def _note_skipped(self, row: CaseRow, fact: Fact) -> None:
        """An operator's word holds on replay too: what was skipped once is skipped again (D7)."""
        if fact.model is not ParkedResolved:
            return
        event = fact.event
        assert isinstance(event, ParkedResolved)
        if event.how == "skipped" and fact.envelope.source is self._source:
            token = token_of(event.record, event.partition, event.offset)
            row.seen = with_skipped(row.seen, token)
            if (passed := event.passed) is not None:
                row.seen = with_passed(row.seen, passed.source, passed.first, passed.last)

    def _settle(self, row: CaseRow) -> None:
        self._changed.add(row.case_id)
        claim = row.decider.claim(row.state)
        self._recount(row.claim, claim)
        row.claim = claim

    def _recount(self, before: str | None, after: str | None) -> None:
        if before == after:
            return
        if before is not None:
            self._loads[before] = self._loads.get(before, 0) - 1
        if after is not None:
            self._loads[after] = self._loads.get(after, 0) + 1

    def _journal_row(self, draft: _Draft) -> JournalRow:
        envelope, event, row = draft.envelope, draft.event, draft.row
        private = clear_of(event)
        if private is not None:
            key = self.keys.get(row.case_id)
            block = (
                ERASED
                if key is None
                else seal(
                    key,
                    type_=envelope.type,
                    case_id=envelope.case_id,
                    event_id=envelope.event_id,
                    private=private,
                )
            )
            event = event.model_copy(update={"private": block})
        data = encode(event)
        attributes = envelope.attributes()
        attributes["prevhash"] = row.head
        text = canonical(attributes)
        row.head = chain_hash(text, data)
        return _journal_row(envelope, text, data, row.head)


def _journal_row(envelope: Envelope, text: str, data: bytes, hash_: str) -> JournalRow:
    return JournalRow(
        case_id=envelope.case_id,
        sequence=envelope.sequence,
        event_id=envelope.event_id,
        type=envelope.type,
        attributes=text,
        data=data.decode(),
        hash=hash_,
        recorded_at=envelope.time,
    )


def request_of(envelope: Envelope) -> RequestRow | None:
    """The row of `requests` that an event's envelope stands for."""
    if envelope.idempotency_key is None:
        return None
    key, _, request = envelope.idempotency_key.partition(":")
    return RequestRow(key, request, envelope.case_id, envelope.sequence)
