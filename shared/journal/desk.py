"""Commands of people: from a wish to an answer that is recorded and published (D2).

One transaction takes one command or a list of them on different cases, each answered on its own.
The answer waits for the log; what a repeat of the same request gets is the same answer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from shared.decider import Command
from shared.errors import Because, Conflict, Refused, Unavailable
from shared.identifiers import CaseId
from shared.journal.publication import Published
from shared.journal.relay import Relay
from shared.journal.requests import (
    answered_before,
    key_of,
    places_of,
    take_turns,
    taken_claims,
)
from shared.journal.rows import CaseRow, Position, lock_cases
from shared.journal.surroundings import Stage
from shared.journal.work import Origin, Work
from shared.observability import metrics
from shared.postgres.faults import reachable
from shared.postgres.pool import Connection
from shared.privacy.sealing import CaseKey

_TRIES: Final = 3
_READ_POLL_S: Final = 0.02

_READ: Final = "SELECT next FROM offsets WHERE topic = 'case-events' AND partition = $1"


@dataclass(frozen=True, slots=True)
class Wish:
    """A command with where it comes from.

    `opens` marks a command that makes a new case; `claim` is then what the case will take up.
    """

    command: Command
    origin: Origin
    opens: bool = False
    claim: str | None = None
    key: CaseKey | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a wish. `position` is `partition:offset`, or None while it is not published.

    `events` counts what this wish recorded: 0 when there was nothing left to do.
    """

    case_id: CaseId
    sequence: int
    position: str | None
    repeated: bool = False
    events: int = 0


@dataclass(slots=True)
class _Outcome:
    case_id: CaseId
    sequence: int = 0
    events: int = 0
    repeated: bool = False
    refused: Refused | None = None
    position: Position | None = None
    place: str | None = None
    """Where in the log it is, when that is known already."""


class Desk:
    """See the module."""

    def __init__(
        self,
        stage: Stage,
        relay: Relay,
        *,
        publish_wait_s: float,
        backlog_limit_s: float,
        read_wait_s: float,
    ) -> None:
        self._stage = stage
        self._relay = relay
        self._publish_wait_s = publish_wait_s
        self._backlog_limit_s = backlog_limit_s
        self._read_wait_s = read_wait_s

    async def perform(self, wish: Wish, min_position: tuple[int, int] | None = None) -> Answer:
        """One wish.

        Raises:
            Refused: a rule says no, or the same key came with another request before.
            Unavailable: nothing was recorded; try again later.
        """
        answer = (await self.perform_all([wish], min_position))[0]
        if isinstance(answer, Refused):
            raise answer
        return answer

    async def perform_all(
        self, wishes: Sequence[Wish], min_position: tuple[int, int] | None = None
    ) -> list[Answer | Refused]:
        """Several wishes in one transaction, each answered on its own, in their order.

        Raises:
            Unavailable: nothing of it was recorded; try again later.
        """
        if self._relay.backlog_age_s() > self._backlog_limit_s:
            raise Unavailable("publication is behind; nothing was recorded", retry_after_s=5)
        if min_position is not None:
            await self._have_read(*min_position)
        outcomes = await self._record_in_turn(wishes)
        self._relay.wake()
        return await self._publication(outcomes)

    async def _record_in_turn(self, wishes: Sequence[Wish]) -> list[_Outcome]:
        """Record; after somebody else wrote first, decide again."""
        for _ in range(_TRIES):
            try:
                with reachable("the journal"):
                    return await self._record(wishes)
            except (Conflict, asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                continue
        raise Conflict("somebody else wrote to the same case; try again")

    async def _record(self, wishes: Sequence[Wish]) -> list[_Outcome]:
        outcomes = [_Outcome(wish.command.case_id) for wish in wishes]
        async with self._stage.pool.acquire() as connection, connection.transaction():
            fresh = await self._unrepeated(connection, wishes, outcomes)
            if not fresh:
                return outcomes
            known = await self._stage.known(connection)
            claimed = await taken_claims(connection, [wishes[place].claim for place in fresh])
            case_ids = [wishes[place].command.case_id for place in fresh]
            cases = await lock_cases(connection, case_ids, self._stage.decider)
            work = Work(self._stage.source, known, cases)
            _decide_all(work, claimed, wishes, [(place, outcomes[place]) for place in fresh])
            await work.finish(self._stage.vault)
            try:
                await work.write(connection)
            except asyncpg.UniqueViolationError:  # of the journal: cases say so themselves
                raise Conflict("the place in the journal was taken") from None
            await _find_places(connection, [outcomes[place] for place in fresh])
        self._stage.committed(work)
        return outcomes

    async def _unrepeated(
        self, connection: Connection, wishes: Sequence[Wish], outcomes: Sequence[_Outcome]
    ) -> list[int]:
        """Which wishes are new. Equal keys and equal claims take turns, whoever sends them."""
        keys = [key_of(wish.origin.idempotency_key) for wish in wishes]
        wanted = {name for name in (*keys, *(wish.claim for wish in wishes)) if name}
        await take_turns(connection, self._stage.source, wanted)
        found = await answered_before(connection, {key for key in keys if key})
        fresh = []
        for place, (key, wish) in enumerate(zip(keys, wishes, strict=True)):
            earlier = found.get(key)
            if earlier is None:
                fresh.append(place)
            elif f"{key}:{earlier.request}" != wish.origin.idempotency_key:
                outcomes[place].refused = _other_request()
            else:
                outcome = outcomes[place]
                outcome.case_id, outcome.sequence = earlier.case_id, earlier.sequence
                outcome.position, outcome.place = earlier.position, earlier.place
                outcome.repeated = True
        return fresh

    async def _publication(self, outcomes: Sequence[_Outcome]) -> list[Answer | Refused]:
        awaited = {each.position for each in outcomes if each.position and each.place is None}
        found = await self._relay.published(awaited, self._publish_wait_s)
        return [_answer(outcome, found) for outcome in outcomes]

    async def _have_read(self, partition: int, offset: int) -> None:
        """Wait until this stage has read a position of the log (D15)."""
        try:
            async with asyncio.timeout(self._read_wait_s):
                while True:
                    with reachable("the journal"):
                        following = await self._stage.pool.fetchval(_READ, partition)
                    if following is not None and following > offset:
                        return
                    await asyncio.sleep(_READ_POLL_S)
        except TimeoutError:
            raise Unavailable("this position of the log has not been read here yet") from None


def _answer(outcome: _Outcome, found: Mapping[Position, Published]) -> Answer | Refused:
    if outcome.refused is not None:
        return outcome.refused
    place = outcome.place
    if outcome.position is not None and outcome.position in found:
        place = str(found[outcome.position])
    return Answer(
        case_id=outcome.case_id,
        sequence=outcome.sequence,
        position=place,
        repeated=outcome.repeated,
        events=outcome.events,
    )


def _decide_all(
    work: Work,
    claimed: dict[str, CaseId],
    wishes: Sequence[Wish],
    fresh: Sequence[tuple[int, _Outcome]],
) -> None:
    """Each wish in its turn; what an earlier one of the list did counts for the later ones."""
    done: dict[str, tuple[Wish, _Outcome]] = {}
    for place, outcome in fresh:
        wish = wishes[place]
        key = key_of(wish.origin.idempotency_key)
        name = type(wish.command).__name__
        try:
            if key in done:
                _repeat(wish, outcome, *done[key])
                continue
            _decide(work, claimed, wish, outcome)
        except Refused as refused:
            metrics.COMMANDS.labels(name, "refused").inc()
            outcome.refused = refused
            continue
        metrics.COMMANDS.labels(name, "done").inc()
        if key and outcome.events:
            done[key] = wish, outcome


def _decide(work: Work, claimed: dict[str, CaseId], wish: Wish, outcome: _Outcome) -> None:
    row = work.cases[wish.command.case_id]
    if wish.claim in claimed:
        raise _already_open(claimed[wish.claim])
    if wish.key is not None:
        work.keys[row.case_id] = wish.key
    with work.attempt(row):
        _check_open(row, wish)
        outcome.events = work.act(row, wish.command, wish.origin)
    outcome.sequence = work.last_place(row.case_id)
    if wish.claim is not None:
        claimed[wish.claim] = row.case_id


def _repeat(wish: Wish, outcome: _Outcome, earlier: Wish, answered: _Outcome) -> None:
    """The same request twice in one list: one case, two equal answers."""
    if wish.origin.idempotency_key != earlier.origin.idempotency_key:
        raise _other_request()
    outcome.case_id, outcome.sequence = answered.case_id, answered.sequence
    outcome.repeated = True


async def _find_places(connection: Connection, outcomes: Sequence[_Outcome]) -> None:
    """Where the last event of each case stands; also when there was nothing left to tell."""
    told = [outcome for outcome in outcomes if outcome.refused is None and outcome.sequence > 0]
    found = await places_of(connection, {(each.case_id, each.sequence) for each in told})
    for outcome in told:
        outcome.position, outcome.place = found[outcome.case_id, outcome.sequence]


def _check_open(row: CaseRow, wish: Wish) -> None:
    if row.parked is not None:
        raise Refused(
            "a case that was set aside takes no commands",
            expected="a case that flows",
            found=f"set aside: {row.parked}",
        )
    if not row.version and not wish.opens:
        raise Refused(
            "a command needs its case",
            expected="a case that this service has read of",
            found="none of this number",
            because=Because.UNKNOWN,
        )


def _other_request() -> Refused:
    return Refused(
        "an idempotency key stands for one request",
        expected="the same body as before",
        found="another body under the same key",
        because=Because.INPUT,
        field="Idempotency-Key",
    )


def _already_open(case_id: CaseId) -> Refused:
    return Refused(
        "one open application of a person for a service",
        expected="no open application of this person for this service",
        found=f"case {case_id} is open",
    )
