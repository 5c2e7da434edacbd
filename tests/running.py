"""One stage with its shell, without its process and its loops: a test says what it does when."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from shared.holding import ResolveParked
from shared.identifiers import CaseId
from shared.journal.desk import Answer, Desk, Wish
from shared.journal.inbox import Inbox
from shared.journal.relay import Relay
from shared.journal.resolving import Resolution, Resolving
from shared.journal.surroundings import Stage
from shared.journal.timers import Timers
from shared.journal.work import Origin
from shared.messaging.log import open_log
from shared.messaging.records import Incoming
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS
from shared.postgres.pool import Pool

TOPIC_NAMES: Final = (CASE_EVENTS, DEPARTMENT_EVENTS)
WAIT_S_MAX: Final = 30.0
POLL_S: Final = 0.02


async def until(
    holds: Callable[[], Awaitable[bool]], what: str, within_s: float = WAIT_S_MAX
) -> None:
    """Ask again and again until it holds; fails after a while, saying what did not come."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


@dataclass
class Running:
    """One stage with its shell, without the loops: a test says when it reads and sends."""

    stage: Stage
    relay: Relay
    inbox: Inbox
    desk: Desk
    resolving: Resolving
    timers: Timers
    bootstrap: str
    _sending: asyncio.Task[None] | None = field(default=None)

    @property
    def pool(self) -> Pool:
        """The stage's own schema."""
        return self.stage.pool

    async def read(self, batch_max: int = 500) -> int:
        """Read from where the database stopped to the end of the log; how many records."""
        records = await self.unread()
        for start in range(0, len(records), batch_max):
            await self.inbox.take(records[start : start + batch_max])
        return len(records)

    async def unread(self) -> list[Incoming]:
        """What of the log the stage has not read."""
        rows = await self.pool.fetch("SELECT topic, partition, next FROM offsets")
        offsets = {(row["topic"], row["partition"]): row["next"] for row in rows}
        found: list[Incoming] = []
        async with open_log(self.bootstrap, TOPIC_NAMES, offsets) as log:
            async for records in log.read_to(await log.ends()):
                found += self.inbox.opened(records)
        return found

    def send(self) -> None:
        """Let the relay run from now on."""
        if self._sending is None:
            self._sending = asyncio.create_task(self.relay.run())

    async def stop_sending(self) -> None:
        """Stop the relay."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def sent(self) -> None:
        """Until the relay leads and the outbox is empty."""
        self.send()
        self.relay.wake()
        await until(self._all_is_sent, f"the outbox of {self.stage.source} is empty")

    async def _all_is_sent(self) -> bool:
        # A producer that is cancelled while it starts leaves its socket behind, so wait for it.
        return self.relay.leads and not await self.pool.fetchval("SELECT count(*) FROM outbox")

    async def perform(self, command: Any, **origin: Any) -> Answer:
        """One command of a person."""
        return await self.desk.perform(Wish(command, Origin(**origin)))

    async def resolve(
        self, case_id: CaseId, how: str = "retried", at: tuple[int, int] = (0, 0)
    ) -> Resolution:
        """What the operator does about a case; `at` names the record to skip."""
        command = ResolveParked(
            case_id=case_id,
            actor="operator:timur",
            partition=at[0],
            offset=at[1],
            how="skipped" if how == "skipped" else "retried",
            reason="seen to",
        )
        return await self.resolving.resolve(command, Origin())

    async def events(self, case_id: CaseId) -> list[str]:
        """The names of this stage's own events of a case, in order."""
        rows = await self.pool.fetch(
            "SELECT event_type FROM journal WHERE case_id = $1 ORDER BY sequence", case_id
        )
        return [row["event_type"].split(".")[2] for row in rows]

    async def parked(self, case_id: CaseId) -> str | None:
        """Why a case is set aside; None when it flows."""
        reason: str | None = await self.pool.fetchval(
            "SELECT parked FROM cases WHERE case_id = $1", case_id
        )
        return reason

    async def aside(self, case_id: CaseId) -> list[tuple[int, int, bool]]:
        """Partition, offset and whether it waits, of each record of a case that stands aside."""
        rows = await self.pool.fetch(
            'SELECT partition, "offset", waits FROM parked WHERE case_id = $1'
            ' ORDER BY partition, "offset"',
            case_id,
        )
        return [(row["partition"], row["offset"], row["waits"]) for row in rows]
