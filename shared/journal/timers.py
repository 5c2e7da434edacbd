"""Timers (D16): cases whose due has come are looked at. Nobody cancels one: a due is a column that
follows from the case's state, written with it."""

import asyncio
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from shared.errors import Unavailable
from shared.identifiers import CaseId
from shared.journal.parked import give_up_waiting
from shared.journal.relay import Relay
from shared.journal.rows import CaseRow, lock_cases
from shared.journal.surroundings import Stage
from shared.journal.work import Origin, Work
from shared.observability import metrics
from shared.postgres.faults import reachable

_log = structlog.get_logger()

_TICK_S: Final = 0.5
_MOST: Final = 200

_DUE: Final = """
SELECT case_id, due FROM cases WHERE due <= now() AND parked IS NULL
ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_SOMETHING_ASIDE: Final = "SELECT EXISTS (SELECT FROM parked)"
_PARKED: Final = "SELECT count(*) FROM cases WHERE parked IS NOT NULL"


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
        """Look at up to 200 cases that are due, in one transaction; how many.

        Cases that were set aside are looked at when they flow again.
        """
        with reachable("the journal"):
            async with self._stage.pool.acquire() as connection, connection.transaction():
                due: dict[CaseId, datetime] = {
                    CaseId(row["case_id"]): row["due"]
                    for row in await connection.fetch(_DUE, _MOST)
                }
                if not due:
                    return 0
                known = await self._stage.known(connection)
                cases = await lock_cases(connection, due, self._stage.decider)
                work = Work(self._stage.source, known, cases)
                fired = sum(_fire(work, cases[case_id], at) for case_id, at in due.items())
                await work.finish(self._stage.vault)
                await work.write(connection)
        self._stage.committed(work)
        metrics.TIMERS_FIRED.inc(fired)
        if work.told:
            self._relay.wake()
        return fired


def _fire(work: Work, row: CaseRow, at: datetime) -> bool:
    """Whether the case could be looked at."""
    try:
        with work.attempt(row):
            command = row.decider.on_time(row.case_id, at)
            if command is not None:
                work.act(row, command, Origin())
            work.touch(row)  # its due is written anew
    except Exception:  # noqa: BLE001 - see below
        # One case's fault must not keep the others from being looked at; its due stays.
        _log.exception("timer_failed", case=str(row.case_id))
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
