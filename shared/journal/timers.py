"""Timers (D16): what was due at an instant and is looked at then. Nobody cancels one."""

import asyncio
from typing import Final

import asyncpg
import structlog

from shared.decider import Timer
from shared.errors import Refused, Unavailable
from shared.journal.parked import give_up_waiting
from shared.journal.relay import Relay
from shared.journal.rows import lock_cases
from shared.journal.surroundings import Stage
from shared.journal.work import Origin, Work
from shared.observability import metrics
from shared.postgres.faults import reachable

_log = structlog.get_logger()

_TICK_S: Final = 0.5
_MOST: Final = 200

# OFFSET 0: asked of one timer after the other, in their order, however many are due at once.
_DUE: Final = """
SELECT t.ctid, t.case_id, t.kind, t.due FROM timers t
WHERE t.due <= now() AND NOT EXISTS (
    SELECT FROM cases c WHERE c.case_id = t.case_id AND c.parked IS NOT NULL OFFSET 0)
ORDER BY t.due LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_SOMETHING_ASIDE: Final = "SELECT EXISTS (SELECT FROM parked)"
_PARKED: Final = "SELECT count(*) FROM cases WHERE parked IS NOT NULL"
_DONE: Final = "DELETE FROM timers WHERE ctid = ANY ($1::tid[])"
"""By where the rows lie: they are under lock since they were read."""


class Timers:
    """See the module. `run` for as long as the service lives."""

    def __init__(self, stage: Stage, relay: Relay) -> None:
        self._stage = stage
        self._relay = relay

    async def run(self) -> None:
        """Look once in a while what is due; ends only by cancellation."""
        while True:
            try:
                fired = await self.fire_due()
                with reachable("the journal"):
                    await give_up_waiting_once(self._stage)
            except (Unavailable, asyncpg.TransactionRollbackError) as fault:
                _log.warning("timers_wait", fault=str(fault))
                fired = 0
            if fired < _MOST:
                await asyncio.sleep(_TICK_S)

    async def fire_due(self) -> int:
        """Fire up to 200 timers that are due, in one transaction; how many.

        Timers of cases that were set aside stay until the case flows again.
        """
        with reachable("the journal"):
            async with self._stage.pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(_DUE, _MOST)
                if not rows:
                    return 0
                known = await self._stage.known(connection)
                cases = await lock_cases(
                    connection, {row["case_id"] for row in rows}, self._stage.decider
                )
                work = Work(self._stage.source, known, cases)
                fired = [
                    row["ctid"]
                    for row in rows
                    if self._fire(work, Timer(row["case_id"], row["kind"], row["due"]))
                ]
                await work.finish(self._stage.vault)
                await work.write(connection)
                await connection.execute(_DONE, fired)
        metrics.count_recorded(work.told)
        metrics.TIMERS_FIRED.inc(len(fired))
        if work.told:
            self._relay.wake()
        return len(fired)

    def _fire(self, work: Work, timer: Timer) -> bool:
        """Whether the timer is done with; that of a case that was set aside meanwhile is not."""
        row = work.cases[timer.case_id]
        if row.parked is not None:
            return False
        try:
            command = self._stage.decider(timer.case_id).on_time(timer)
            if command is not None:
                with work.attempt(row):
                    work.act(row, command, Origin())
        except Refused as refused:
            # The state says the timer has nothing to do here any more; that is how timers end.
            _log.info("timer_found_nothing", kind=timer.kind, rule=refused.rule)
        except Exception:  # noqa: BLE001 - see below
            # One case's fault must not keep the other timers from firing; this one stays.
            _log.exception("timer_failed", kind=timer.kind, case=str(timer.case_id))
            return False
        return True


async def give_up_waiting_once(stage: Stage) -> None:
    """Set aside the cases whose missing record did not come in time, and count those aside.

    Where nothing stands aside no case can be parked, and the cases are not looked at.
    """
    async with stage.pool.acquire() as connection:
        if not await connection.fetchval(_SOMETHING_ASIDE):
            metrics.PARKED_CASES.set(0)
            return
        given_up = await give_up_waiting(connection)
        metrics.PARKED_CASES.set(await connection.fetchval(_PARKED))
    if given_up:
        metrics.PARKED.labels("a record of the log is missing").inc(given_up)
        _log.warning("gaps_given_up", cases=given_up)
