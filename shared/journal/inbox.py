"""From the topic into the stage (D5, D6, D7): one poll is one transaction.

Whatever a record is, the batch goes on: a duplicate is skipped, a gap waits, a fault sets its
case aside. The offsets move in the same transaction as the effects, under lock, so a consumer
that was replaced without knowing it finds nothing left to do. Cases are not locked while they are
worked on: when somebody else wrote to one, the batch is done again with all of them under lock.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg
import structlog
from aiokafka import ConsumerRecord

from shared.errors import Conflict, Refused, Unavailable
from shared.events.envelope import Fact
from shared.events.event import MalformedEvent
from shared.identifiers import CaseId
from shared.journal.batch import Batch, still_waits, verdict_of
from shared.journal.parked import ParkedRow, delete_parked, load_parked, save_parked
from shared.journal.relay import Relay
from shared.journal.rows import CaseRow, lock_cases, read_cases
from shared.journal.surroundings import Stage
from shared.journal.work import Origin, Work
from shared.messaging.reading import Verdict, is_skipped
from shared.messaging.records import NOBODY, Incoming, fault_of, incoming, kind_of
from shared.observability import metrics
from shared.observability.tracing import current_traceparent, is_tracing, span
from shared.postgres.faults import reachable
from shared.postgres.pool import Connection

_log = structlog.get_logger()

_LOCK_OFFSETS: Final = """
SELECT topic, partition, next FROM offsets
WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::smallint[]))
ORDER BY topic, partition FOR UPDATE
"""
_MOVE_OFFSETS: Final = """
UPDATE offsets SET next = moved.next, last_event_id = moved.event_id
FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::uuid[])
     AS moved (topic, partition, next, event_id)
WHERE offsets.topic = moved.topic AND offsets.partition = moved.partition
"""

Place = tuple[str, int]


class Hole(Exception):
    """The batch does not begin where the database stopped: read again from there."""

    def __init__(self, offsets: dict[Place, int]) -> None:
        super().__init__("the batch does not begin where the database stopped")
        self.offsets = offsets


class LogIsAhead(Exception):
    """The log holds a fact of ours that our journal lacks: the database is older than the log.

    Only a restart, which reads such facts back first (D18), may go on.
    """


class Inbox:
    """See the module."""

    def __init__(self, stage: Stage, relay: Relay) -> None:
        self._stage = stage
        self._relay = relay

    def opened(self, records: Iterable[ConsumerRecord]) -> list[Incoming]:
        """Records as `take` takes them, read as far as it will ask, while they are at hand."""
        found = [incoming(record) for record in records]
        for record in found:
            if not self._relay.has_sent(record.claimed_id):
                record.open()
        return found

    async def take(self, records: Sequence[Incoming]) -> int:
        """Read one poll; how many cases it set aside.

        Raises:
            Unavailable: the database or the vault is down; nothing was read, take it again.
            Hole: the records do not begin where the database stopped.
            LogIsAhead: see there.
        """
        try:
            with reachable("the journal"):
                return await self._transactions(records)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as fault:
            # One record of these makes the whole transaction impossible: find it by halving.
            if len(records) > 1:
                middle = len(records) // 2
                first = await self.take(records[:middle])
                return first + await self.take(records[middle:])
            _log.warning("record_refused_by_database", fault=type(fault).__name__)
            blamed = f"the database refused it: {type(fault).__name__}"
            with reachable("the journal"):
                return await self._transactions(records, blamed)

    async def _transactions(self, records: Sequence[Incoming], blamed: str | None = None) -> int:
        """One, and others where somebody else wrote to a case meanwhile."""
        for locked in (False, True, True):
            try:
                return await self._transaction(records, blamed, locked=locked)
            except Conflict:
                metrics.BATCHES_AGAIN.inc()
            except LogIsAhead:
                if locked:
                    raise
                metrics.BATCHES_AGAIN.inc()  # another replica told it, most likely
        raise Unavailable("others keep writing to the cases of a batch")

    async def _transaction(
        self, records: Sequence[Incoming], blamed: str | None, *, locked: bool
    ) -> int:
        async with self._stage.pool.acquire() as connection, connection.transaction():
            fresh = await self._unread(connection, records)
            if not fresh:
                return 0
            known = await self._stage.known(connection)
            # What this process sent itself says nothing new; only the offsets move over it.
            news = [record for record in fresh if not self._is_from_here(record)]
            case_ids = {record.case_id for record in news} - {NOBODY}
            cases = await self._cases(connection, case_ids, locked=locked)
            waiting = await load_parked(
                connection, [row.case_id for row in cases.values() if row.waits]
            )
            work = Work(self._stage.source, known, cases)
            batch = Batch(work, waiting)
            with span(f"{self._stage.source.value} reads", links=_traces(news)):
                for record in news:
                    self.read(batch, record, blamed)
            await work.finish(self._stage.vault)
            await work.write(connection)
            # In this order: what waited, and failed when its turn came, stands aside again.
            await delete_parked(connection, batch.resolved)
            await save_parked(connection, batch.set_aside)
            await self._move(connection, fresh)
        self._stage.committed(work)
        metrics.count_read(batch.verdicts)
        if work.told:
            self._relay.wake()
        return batch.faults

    async def _cases(
        self, connection: Connection, case_ids: set[CaseId], *, locked: bool
    ) -> dict[CaseId, CaseRow]:
        if locked:
            return await lock_cases(connection, case_ids, self._stage.decider)
        cases = self._stage.kept.take(case_ids)
        others = await read_cases(connection, case_ids - cases.keys(), self._stage.decider)
        return cases | others

    def _is_from_here(self, record: Incoming) -> bool:
        claimed = record.claimed_id
        return claimed is not None and self._relay.knows_again(claimed)

    def read(self, batch: Batch, record: Incoming, blamed: str | None = None) -> None:
        """Read one record into the batch. Never raises on what the record is."""
        if record.case_id == NOBODY:
            self._set_aside(batch, None, record, record.fault or "no case")
            return
        row, envelope = batch.work.cases[record.case_id], record.envelope
        verdict = None if envelope is None else verdict_of(row, envelope)
        if is_skipped(row.seen, record.event_id, record.partition, record.offset):
            self._pass_over(batch, row)
        elif verdict is Verdict.SKIP:
            batch.count(verdict)
        elif row.parked is not None:
            self._set_aside(batch, row, record, "behind a record that was set aside")
        elif blamed is not None or record.unread_fact is None or verdict is None:
            self._set_aside(batch, row, record, blamed or record.fault or "unreadable")
        else:
            self._follow(batch, row, record, record.unread_fact, verdict)

    def _follow(
        self, batch: Batch, row: CaseRow, record: Incoming, fact: Fact, verdict: Verdict
    ) -> None:
        """Do with a fact what the reading rule says of it."""
        source = fact.envelope.source
        if source is self._stage.source and verdict in (Verdict.APPLY, Verdict.WAIT):
            if (fault := record.fault) is not None:  # a stranger's, in our name
                self._set_aside(batch, row, record, fault)
                return
            raise LogIsAhead(f"{source.value} {record.partition}:{record.offset}")
        batch.count(verdict)
        if verdict is Verdict.APPLY:
            self._apply(batch, row, record, fact)
            self._take_waiting(batch, row)
        elif verdict is Verdict.WAIT:
            self._hold(batch, row, record)
        else:
            self._contradicted(batch, row, record)

    def _contradicted(self, batch: Batch, row: CaseRow, record: Incoming) -> None:
        assert record.envelope is not None
        source = record.envelope.source.value
        _log.error("contradiction", source=source, case=str(row.case_id))
        self._set_aside(batch, row, record, "another event was told at this place")

    def _apply(self, batch: Batch, row: CaseRow, record: Incoming, fact: Fact) -> None:
        try:
            if fact.model not in row.decider.heeds:
                batch.work.fold(row, fact)
                self._count_illegal(row, fact)
                return
            with batch.work.attempt(row):
                batch.work.fold(row, fact)
                self._count_illegal(row, fact)
                self._answer(batch, row, fact)
        except MalformedEvent as fault:
            self._set_aside(batch, row, record, fault_of(fault))
        except Refused as refused:
            # Nobody listens to a refusal here; that rules refuse what they called for is a fault.
            self._set_aside(batch, row, record, f"refused: {refused.rule}")
        except Exception as fault:  # noqa: BLE001 - a bad fact parks its case, not the stream (D7)
            _log.exception("record_failed", case=str(row.case_id), type=fact.envelope.type)
            self._set_aside(batch, row, record, f"fault in the rules: {type(fault).__name__}")

    def _count_illegal(self, row: CaseRow, fact: Fact) -> None:
        if fact.binds and row.decider.course(row.state).judges(fact) is False:
            metrics.ILLEGAL_FACTS.inc()

    def _answer(self, batch: Batch, row: CaseRow, fact: Fact) -> None:
        """Do what the case calls for now, within the trace that the fact came from."""
        parent = fact.envelope.traceparent
        with span(f"{self._stage.source.value} {fact.entry.type}", parent=parent):
            origin = Origin(
                causation_id=fact.envelope.event_id,
                traceparent=current_traceparent() or parent,
            )
            batch.work.react(row, origin)

    def _take_waiting(self, batch: Batch, row: CaseRow) -> None:
        """Read what waited for the record that has just come, as far as that goes."""
        waiting = batch.waiting.get(row.case_id, [])
        while row.parked is None and waiting:
            ready = next((held for held in waiting if not still_waits(row, held)), None)
            if ready is None:
                break
            waiting.remove(ready)
            self._take_held(batch, row, ready)
        if row.waits and not waiting:
            row.waits = False
            batch.work.touch(row)

    def _take_held(self, batch: Batch, row: CaseRow, held: ParkedRow) -> None:
        if held in batch.set_aside:
            batch.set_aside.remove(held)
        else:
            batch.resolved.append(held)
        record = held.record
        fact = record.unread_fact
        assert fact is not None
        verdict = verdict_of(row, fact.envelope)
        if verdict is Verdict.APPLY:
            self._apply(batch, row, record, fact)
        elif verdict is Verdict.CONTRADICTION:
            self._contradicted(batch, row, record)

    def _hold(self, batch: Batch, row: CaseRow, record: Incoming) -> None:
        held = ParkedRow(record, waits=True, reason="waits for what is missing before it")
        mine = batch.waiting.setdefault(row.case_id, [])
        if any(other.record.event_id == record.event_id for other in mine):
            return
        mine.append(held)
        batch.set_aside.append(held)
        row.waits = True
        batch.work.touch(row)

    def _set_aside(self, batch: Batch, row: CaseRow | None, record: Incoming, reason: str) -> None:
        batch.count("parked")
        batch.set_aside.append(ParkedRow(record, waits=False, reason=reason))
        if row is None or row.parked is None:
            batch.faults += 1
            metrics.PARKED.labels(kind_of(reason)).inc()
        if row is not None:
            row.parked = row.parked or reason
            batch.work.touch(row)  # always: an operator may be making the case flow again

    def _pass_over(self, batch: Batch, row: CaseRow) -> None:
        """An operator decided to go on without it; others may have waited for its place."""
        batch.count(Verdict.SKIP)
        self._take_waiting(batch, row)

    async def _unread(self, connection: Connection, records: Sequence[Incoming]) -> list[Incoming]:
        """Lock the offsets and keep what the database has not read."""
        places = sorted({(record.topic, record.partition) for record in records})
        rows = await connection.fetch(
            _LOCK_OFFSETS, [place[0] for place in places], [place[1] for place in places]
        )
        following = {(row["topic"], row["partition"]): row["next"] for row in rows}
        expected = dict(following)
        fresh = []
        for record in records:
            place = (record.topic, record.partition)
            offset = record.offset
            if offset == expected[place]:
                expected[place] = offset + 1
                fresh.append(record)
            elif offset >= following[place]:
                raise Hole(following)
        return fresh

    async def _move(self, connection: Connection, records: Iterable[Incoming]) -> None:
        last: dict[Place, Incoming] = {}
        for record in records:
            last[record.topic, record.partition] = record
        await connection.execute(
            _MOVE_OFFSETS,
            [topic for topic, _ in last],
            [partition for _, partition in last],
            [record.offset + 1 for record in last.values()],
            [record.event_id for record in last.values()],
        )


def _traces(records: Sequence[Incoming]) -> list[str]:
    """The traces of a batch's records: one span for the batch, linked to each."""
    if not is_tracing():
        return []
    envelopes = (record.envelope for record in records)
    found = (envelope.traceparent for envelope in envelopes if envelope is not None)
    return [traceparent for traceparent in found if traceparent is not None]
