"""What every replica knows of the fold, whoever does it: how far it is, and what just changed.

Woken by the NOTIFY that follows each commit, and by a slow poll, since a NOTIFY can be lost.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.casebook import changes
from services.casebook.changes import Change, Reach, Span
from services.casebook.schemas import CHANNEL, Lost, asking
from shared.errors import Because, Refused, Unavailable
from shared.http.positions import LogPosition
from shared.messaging.log import Place as Partition
from shared.messaging.topics import CASE_EVENTS, partitions_of
from shared.postgres.pool import Connection, Pool, connect

_log = structlog.get_logger()

_POLL_S: Final = 1.0
_AT_ONCE: Final = 1_000
_BACK_OFF_S: Final = 1.0
_LOST_S: Final = 0.1
GO_ON_MAX: Final = 5_000
"""Changes that are told one by one when other tables became the live ones; more: start afresh."""
_NEXT: Final = "SELECT topic, partition, next FROM offsets"

Listener = Callable[[Sequence[Change], str], None]
"""Is given changes in their order, with their generation; no changes: start afresh."""


class Tail:
    """See the module. `run` for as long as the process lives."""

    def __init__(self, pool: Pool, database_url: str, schema: str, replica: str) -> None:
        self._pool = pool
        self._database_url = database_url
        self._schema = schema
        self._replica = replica
        self._next: dict[Partition, int] = {}
        self.is_lost = False
        """There are no tables, as far as is known."""
        self._moved = asyncio.Event()
        self._touched = time.monotonic()
        self.reach: Reach | None = None
        """Where the changes stood when last looked at, all of them told."""
        self.listeners: set[Listener] = set()

    def age_s(self) -> float:
        """Seconds since the database was last asked."""
        return time.monotonic() - self._touched

    async def folded(self, position: LogPosition | None, wait_s: float) -> None:
        """Wait until a position is folded (D15).

        Raises:
            Refused: there is no such partition.
            Unavailable: it is not folded yet after `wait_s`.
            Lost: because there are no tables.
        """
        if position is None:
            return
        if position.partition not in partitions_of(CASE_EVENTS):
            raise Refused(
                "a position is one of the log",
                expected="a partition of the log",
                found=f"partition {position.partition}",
                because=Because.INPUT,
                field="min_position",
            )
        try:
            async with asyncio.timeout(wait_s):
                while self._next.get((CASE_EVENTS, position.partition), 0) <= position.offset:
                    await self._moved.wait()
        except TimeoutError:
            if self.is_lost:
                raise Lost from None
            raise Unavailable("the read side has not come so far yet", retry_after_s=1) from None

    async def run(self) -> None:
        """Look whenever there is news; ends only by cancellation."""
        while True:
            try:
                await self._listen()
            except Lost:
                self.is_lost = True
                await asyncio.sleep(_LOST_S)
                continue
            except Unavailable as fault:
                _log.warning("tail_waits", what=fault.what)
            except Exception:  # noqa: BLE001 -- nothing is lost: the next look sees it all
                _log.exception("tail_starts_again")
            await asyncio.sleep(_BACK_OFF_S)

    async def _listen(self) -> None:
        connection = await connect(
            self._database_url,
            schema=self._schema,
            application_name=f"casebook-{self._replica}-tail",
        )
        news = asyncio.Event()
        try:
            with asking():
                await connection.add_listener(f"{CHANNEL}_{self._schema}", lambda *_: news.set())
                while not connection.is_closed():
                    news.clear()
                    await self._look()
                    await _either(news, _POLL_S)
        finally:
            connection.terminate()

    async def _look(self) -> None:
        # In one snapshot: what is told belongs to the places up to which it is told.
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            rows = await connection.fetch(_NEXT)
            await self._tell(connection)
        self._next = {(row["topic"], row["partition"]): row["next"] for row in rows}
        self.is_lost = False
        self._touched = time.monotonic()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _tell(self, connection: Connection) -> None:
        """Tell what changed since the last look, in order and without gaps."""
        found, known = await changes.reach(connection), self.reach
        if known is None:
            self.reach = found
            return
        if known.generation != found.generation:
            await self._go_over(connection, found)
            return
        if known.last + 1 < found.oldest:
            self.reach = found
            self._hand_out([], found.generation)
            return
        told = known.last
        while told < found.last:
            batch = await changes.after(connection, Span(told, found.last, _AT_ONCE))
            if not batch:
                break
            told = batch[-1].number
            self.reach = Reach(found.generation, told, found.oldest)
            self._hand_out(batch, found.generation)
        self.reach = Reach(found.generation, told, found.oldest)

    async def _go_over(self, connection: Connection, found: Reach) -> None:
        """Other tables are the live ones now: tell what they know beyond what was told."""
        batch = await changes.since(connection, self._next, to=found.last, most=GO_ON_MAX + 1)
        self.reach = found
        if batch is None or len(batch) > GO_ON_MAX:
            self._hand_out([], found.generation)
            return
        for first in range(0, len(batch), _AT_ONCE):
            self._hand_out(batch[first : first + _AT_ONCE], found.generation)

    def _hand_out(self, batch: Sequence[Change], generation: str) -> None:
        for listener in tuple(self.listeners):
            listener(batch, generation)


async def _either(event: asyncio.Event, wait_s: float) -> None:
    """Until the event or the time, whichever is first."""
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        return
