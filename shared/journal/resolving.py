"""What an operator does about a case that was set aside: retry it, or go on without a record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import asyncpg

from shared.errors import Because, Refused
from shared.holding import ResolveParked
from shared.identifiers import CaseId, EventId
from shared.journal.batch import Batch, passed_with
from shared.journal.inbox import Inbox
from shared.journal.parked import ParkedRow, delete_parked, load_parked, save_parked
from shared.journal.relay import Relay
from shared.journal.rows import CaseRow, lock_cases
from shared.journal.surroundings import Stage
from shared.journal.work import Origin, Work
from shared.messaging.records import UNKNOWN_TYPE
from shared.observability import metrics
from shared.postgres.faults import reachable
from shared.postgres.pool import Connection

_LIST: Final = """
SELECT p.case_id, p.topic, p.partition, p."offset", p.event_id, p.reason, p.waits, p.parked_at,
       c.parked AS case_reason
FROM parked p LEFT JOIN cases c USING (case_id)
WHERE $1::uuid IS NULL OR p.case_id = $1
ORDER BY p.parked_at, p.topic, p.partition, p."offset" LIMIT $2
"""


_UNKNOWN: Final = "SELECT case_id FROM cases WHERE parked LIKE $1 ORDER BY case_id LIMIT $2"
_UNKNOWN_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Resolution:
    """What came of it: how many records were read after all, and the place told in the journal.

    `still` says why the case stands aside again: behind the record that was skipped is another
    one that cannot be read.
    """

    case_id: CaseId
    read: int
    sequence: int
    still: str | None = None


class Resolving:
    """See the module."""

    def __init__(self, stage: Stage, relay: Relay, inbox: Inbox) -> None:
        self._stage = stage
        self._relay = relay
        self._inbox = inbox

    async def standing_aside(self, case_id: CaseId | None, most: int) -> list[dict[str, Any]]:
        """The records that stand aside, oldest first; of one case, or of all."""
        with reachable("the journal"):
            rows = await self._stage.pool.fetch(_LIST, case_id, most)
        return [dict(row) for row in rows]

    async def retry_unknown(self) -> int:
        """What a new build does at its start: read again what an older one did not know (D7).

        How many cases flow again. Raises Unavailable.
        """
        freed = 0
        with reachable("the journal"):
            cases = await self._stage.pool.fetch(_UNKNOWN, f"{UNKNOWN_TYPE}%", _UNKNOWN_MAX)
            for found in cases:
                freed += await self._retry(CaseId(found["case_id"]))
        return freed

    async def _retry(self, case_id: CaseId) -> bool:
        async with self._stage.pool.acquire() as connection, connection.transaction():
            cases = await lock_cases(connection, [case_id], self._stage.decider)
            row = cases[case_id]
            standing = (await load_parked(connection, [case_id])).get(case_id, [])
            known = await self._stage.known(connection)
            work = Work(self._stage.source, known, cases)
            batch = Batch(work, {})
            self._read_again(batch, row, standing)
            if row.parked is not None:
                return False
            await self._write(connection, batch, row, standing)
            return True

    async def resolve(self, command: ResolveParked, origin: Origin) -> Resolution:
        """Retry all records of a case in order, or skip the named one and retry the rest.

        Raises:
            Refused: the case is not set aside, the named record is none of its records, or a
                record still fails (one before the skipped one); then nothing has changed.
        """
        try:
            with reachable("the journal"):
                async with self._stage.pool.acquire() as connection, connection.transaction():
                    resolution = await self._resolve(connection, command, origin)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as fault:
            raise _still_fails(f"the database refuses it: {type(fault).__name__}") from fault
        self._relay.wake()
        return resolution

    async def _resolve(
        self, connection: Connection, command: ResolveParked, origin: Origin
    ) -> Resolution:
        case_id = command.case_id
        known = await self._stage.known(connection)
        cases = await lock_cases(connection, [case_id], self._stage.decider)
        row = cases[case_id]
        standing = (await load_parked(connection, [case_id])).get(case_id, [])
        if not standing or (row.parked is None and not row.waits):
            raise _not_set_aside()
        work = Work(self._stage.source, known, cases)
        batch = Batch(work, {})
        if command.how == "skipped":
            self._skip(batch, row, standing, command, origin)
        else:
            work.act(row, command, origin)
            self._read_again(batch, row, standing)
            if row.parked is not None:
                raise _still_fails(row.parked)
        await self._write(connection, batch, row, standing)
        return Resolution(
            case_id=case_id,
            read=len(standing) - len(batch.set_aside),
            sequence=work.last_place(case_id),
            still=row.parked,
        )

    def _skip(
        self,
        batch: Batch,
        row: CaseRow,
        standing: Sequence[ParkedRow],
        command: ResolveParked,
        origin: Origin,
    ) -> None:
        """Read what stands before the named record, go on without it, read what stands behind."""
        place = _place_of(standing, command)
        self._read_again(batch, row, standing[:place])
        if row.parked is not None:
            raise _still_fails(row.parked)
        named = standing[place].record
        event_id = None if named.event_id is None else EventId(named.event_id)
        command = replace(command, record=event_id, passed=passed_with(row, named))
        batch.work.act(row, command, origin)
        for parked in standing[place:]:
            self._inbox.read(batch, parked.record)

    def _read_again(self, batch: Batch, row: CaseRow, standing: Sequence[ParkedRow]) -> None:
        """Read what stands aside, in the order of the log, as a rebuild would."""
        row.parked, row.waits = None, False
        for parked in standing:
            self._inbox.read(batch, parked.record)

    async def _write(
        self, connection: Connection, batch: Batch, row: CaseRow, standing: Sequence[ParkedRow]
    ) -> None:
        work = batch.work
        work.touch(row)
        await work.finish(self._stage.vault)
        await work.write(connection)
        await delete_parked(connection, standing)
        await save_parked(connection, batch.set_aside)
        metrics.count_recorded(work.told)


def _place_of(standing: Sequence[ParkedRow], command: ResolveParked) -> int:
    for place, parked in enumerate(standing):
        record = parked.record
        if (record.partition, record.offset) == (command.partition, command.offset):
            return place
    raise Refused(
        "an operator skips a record that stands aside",
        expected="the partition and offset of one of the case's records",
        found=f"{command.partition}:{command.offset}",
        because=Because.INPUT,
        field="offset",
    )


def _not_set_aside() -> Refused:
    return Refused(
        "only a case that was set aside is resolved",
        expected="a case with records that stand aside",
        found="a case that flows",
    )


def _still_fails(reason: str) -> Refused:
    return Refused(
        "a retry has to succeed as a whole",
        expected="every record of the case readable now",
        found=reason,
    )
