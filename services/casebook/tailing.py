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
from services.casebook.schemas import CHANNEL, Lost, asking, one_look
from shared.errors import Because, Refused, Unavailable
from shared.http.positions import LogPosition
from shared.messaging.topics import CASE_EVENTS, partitions_of
from shared.postgres.pool import Connection, Pool, connect

_log = structlog.get_logger()

_POLL_S: Final = 1.0
_AT_ONCE: Final = 1_000
_BACK_OFF_S: Final = 1.0
_LOST_S: Final = 0.1
GO_ON_MAX: Final = 5_000
"""Changes that are told one by one when other tables became the live ones; more: start afresh."""

Listener = Callable[[Sequence[Change], str], None]
"""Is given changes in their order, with their generation; no changes: start afresh."""


class Tail:
    """See the module. `run` for as long as the process lives."""

    def __init__(self, pool: Pool, database_url: str, schema: str, replica: str) -> None:
        self._pool = pool
        self._database_url = database_url
        self._schema = schema
        self._replica = replica
        self.is_lost = False
        """There are no tables, as far as is known."""
        self._moved = asyncio.Event()
        self._news = asyncio.Event()
        self._begun = 0
        self._ended = 0
        """Looks by number: the last that was begun, the last that was brought to its end."""
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
                while not self._is_folded(position):
                    await self._moved.wait()
        except TimeoutError:
            if self.is_lost:
                raise Lost from None
            raise Unavailable("the read side has not come so far yet", retry_after_s=1) from None

    def _is_folded(self, position: LogPosition) -> bool:
        place = (CASE_EVENTS, position.partition)
        return self.reach is not None and self.reach.next.get(place, 0) > position.offset

    async def look_again(self, wait_s: float) -> bool:
        """Wait for a look that begins after this moment; whether there was one in time.

        What any replica has told by now is told here then, too.
        """
        wanted = self._begun + 1
        self._news.set()
        try:
            async with asyncio.timeout(wait_s):
                while self._ended < wanted:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

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
        try:
            with asking():
                channel = f"{CHANNEL}_{self._schema}"
                await connection.add_listener(channel, lambda *_: self._news.set())
                while not connection.is_closed():
                    self._news.clear()
                    await self._look()
                    await _either(self._news, _POLL_S)
        finally:
            connection.terminate()

    async def _look(self) -> None:
        """See what is new, in one snapshot of one set of tables; then tell it.

        So a look that fails has told nothing, and all that was told belongs to `reach`.
        """
        self._begun = number = self._begun + 1
        async with one_look(self._pool, self._schema) as connection:
            found = await changes.reach(connection)
            fresh = await self._fresh(connection, found)
        self.reach = found
        self._tell(fresh, found.generation)
        self.is_lost = False
        self._touched = time.monotonic()
        self._ended = number
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _fresh(self, connection: Connection, found: Reach) -> Sequence[Change] | None:
        """What changed since the last look, in order; None when that cannot be said."""
        known = self.reach
        if known is None:
            return ()
        if known.generation != found.generation:
            # Other tables are the live ones now: what they know beyond what was told.
            beyond = await changes.since(connection, known.next, to=found.last, most=GO_ON_MAX + 1)
            return None if beyond is None or len(beyond) > GO_ON_MAX else beyond
        if known.last + 1 < found.oldest:
            return None
        told: list[Change] = []
        while batch := await changes.after(
            connection, Span(told[-1].number if told else known.last, found.last, _AT_ONCE)
        ):
            told += batch
        return told

    def _tell(self, fresh: Sequence[Change] | None, generation: str) -> None:
        if fresh is None:
            self._hand_out([], generation)
            return
        for first in range(0, len(fresh), _AT_ONCE):
            self._hand_out(fresh[first : first + _AT_ONCE], generation)

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
