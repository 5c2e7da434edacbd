"""Errands (D21): calls to the outside, each a durable row that one worker at a time leases.

The receiver is given the event's id as its idempotency key, so that a call repeated after a crash
is one call to it. The outcome comes back as a command of the same stage.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from shared.decider import Command, Errand
from shared.errors import Refused, Unavailable
from shared.identifiers import EventId
from shared.journal.relay import Relay
from shared.journal.rows import lock_cases
from shared.journal.surroundings import Stage
from shared.journal.work import Origin, Work
from shared.observability import metrics
from shared.postgres.faults import reachable

_log = structlog.get_logger()

_TICK_S: Final = 0.5
_MOST: Final = 20
_LEASE: Final = timedelta(seconds=60)
ATTEMPTS_MAX: Final = 12
_BACK_OFF_MAX_S: Final = 600.0

_TAKE: Final = """
UPDATE errands SET leased_until = now() + $2, attempts = attempts + 1
WHERE (event_id, kind) IN (
    SELECT event_id, kind FROM errands e
    WHERE next_at <= now() AND (leased_until IS NULL OR leased_until < now())
      AND NOT EXISTS (SELECT FROM cases c WHERE c.case_id = e.case_id AND c.parked IS NOT NULL)
    ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING event_id, kind, case_id, attempts
"""
_LATER: Final = """
UPDATE errands SET leased_until = NULL, next_at = now() + make_interval(secs => $3)
WHERE event_id = $1 AND kind = $2
"""
_DONE: Final = "DELETE FROM errands WHERE event_id = $1 AND kind = $2"

CarryOut = Callable[[Errand, bool], Awaitable[Command]]
"""Makes the call and gives the command that tells its outcome.

The flag says that this is the last attempt: then the outcome "it failed" is a command, too.
Raises Unavailable when the call is to be made again later.
"""


class Errands:
    """See the module. `run` for as long as the service lives."""

    def __init__(self, stage: Stage, relay: Relay, carry_out: CarryOut) -> None:
        self._stage = stage
        self._relay = relay
        self._carry_out = carry_out

    async def run(self) -> None:
        """Make the calls that are due; ends only by cancellation."""
        while True:
            try:
                done = await self.carry_out_due()
            except (Unavailable, asyncpg.TransactionRollbackError) as fault:
                _log.warning("errands_wait", fault=str(fault))
                done = 0
            if done < _MOST:
                await asyncio.sleep(_TICK_S)

    async def carry_out_due(self) -> int:
        """Lease what is due and make the calls side by side; how many were leased."""
        with reachable("the journal"):
            rows = await self._stage.pool.fetch(_TAKE, _MOST, _LEASE)
        await asyncio.gather(*(self._one(row) for row in rows))
        return len(rows)

    async def _one(self, row: asyncpg.Record) -> None:
        errand = Errand(EventId(row["event_id"]), row["case_id"], row["kind"])
        last = row["attempts"] >= ATTEMPTS_MAX
        try:
            command = await self._carry_out(errand, last)
            await self._tell(errand, command)
        except (Unavailable, asyncpg.TransactionRollbackError):
            await self._put_off(errand, row["attempts"])
        except Exception:  # noqa: BLE001 - see below
            # One errand's fault must not keep the others from being made.
            _log.exception("errand_failed", kind=errand.kind, case=str(errand.case_id))
            await self._put_off(errand, row["attempts"])

    async def _put_off(self, errand: Errand, attempts: int) -> None:
        later_s = min(2.0**attempts, _BACK_OFF_MAX_S)
        metrics.ERRANDS.labels(errand.kind, "later").inc()
        with reachable("the journal"):
            await self._stage.pool.execute(_LATER, errand.event_id, errand.kind, later_s)

    async def _tell(self, errand: Errand, command: Command) -> None:
        """The outcome and the end of the errand in one transaction; once, whoever made the call."""
        with reachable("the journal"):
            async with self._stage.pool.acquire() as connection, connection.transaction():
                gone = await connection.execute(_DONE, errand.event_id, errand.kind)
                if gone == "DELETE 0":
                    return
                known = await self._stage.known(connection)
                cases = await lock_cases(connection, [errand.case_id], self._stage.decider)
                row = cases[errand.case_id]
                if row.parked is not None:
                    raise Unavailable("the case was set aside meanwhile")
                work = Work(self._stage.source, known, cases)
                try:
                    with work.attempt(row):
                        work.act(row, command, Origin(causation_id=errand.event_id))
                except Refused as refused:
                    _log.info("errand_outcome_not_needed", kind=errand.kind, rule=refused.rule)
                await work.finish(self._stage.vault)
                await work.write(connection)
        self._stage.committed(work)
        metrics.ERRANDS.labels(errand.kind, "done").inc()
        self._relay.wake()
