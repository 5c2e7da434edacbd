"""Who waits for events to be published, and what was published just now."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.journal.rows import Position

_RECENT_MAX: Final = 5000


@dataclass(frozen=True, slots=True)
class Published:
    """Where in the log an event is."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(eq=False, slots=True)
class _Waiter:
    """Somebody who waits for some events, and where those went that were told so far."""

    missing: set[Position]
    complete: asyncio.Future[None]
    found: dict[Position, Published] = field(default_factory=dict)

    def hear(self, position: Position, place: Published) -> None:
        self.found[position] = place
        self.missing.discard(position)
        if not self.missing and not self.complete.done():
            self.complete.set_result(None)


class Publications:
    """See the module. Several may wait for one event; each with its own patience."""

    def __init__(self) -> None:
        self._waiting: dict[Position, list[_Waiter]] = {}
        self._recent: dict[Position, Published] = {}

    @property
    def awaited(self) -> list[Position]:
        """The positions that somebody waits for."""
        return list(self._waiting)

    async def of(self, positions: Collection[Position], wait_s: float) -> dict[Position, Published]:
        """Where the events at `positions` went, as far as that was told within `wait_s`."""
        known = {at: self._recent[at] for at in positions if at in self._recent}
        missing = {at for at in positions if at not in known}
        if not missing:
            return known
        waiter = _Waiter(missing, asyncio.get_running_loop().create_future(), known)
        for position in missing:
            self._waiting.setdefault(position, []).append(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter.complete
        except TimeoutError:
            pass
        finally:
            for position in waiter.missing:
                self._leave(position, waiter)
        return waiter.found

    def tell(self, places: Mapping[Position, Published]) -> None:
        """These were published: answer who waits, and remember for who asks a moment later."""
        self._recent.update(places)
        for stale in list(self._recent)[: max(0, len(self._recent) - _RECENT_MAX)]:
            del self._recent[stale]
        for position, place in places.items():
            for waiter in self._waiting.pop(position, ()):
                waiter.hear(position, place)

    def _leave(self, position: Position, waiter: _Waiter) -> None:
        others = [each for each in self._waiting.get(position, ()) if each is not waiter]
        if others:
            self._waiting[position] = others
        else:
            self._waiting.pop(position, None)
