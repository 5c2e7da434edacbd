"""Who waits for an event to be published, and what was published just now."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
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


class Publications:
    """See the module. Several may wait for one event; each with its own patience."""

    def __init__(self) -> None:
        self._waiting: dict[Position, set[asyncio.Future[Published]]] = {}
        self._recent: dict[Position, Published] = {}

    @property
    def awaited(self) -> list[Position]:
        """The positions that somebody waits for."""
        return list(self._waiting)

    async def of(self, position: Position, wait_s: float) -> Published | None:
        """Where the event at `position` went; None when that was not told within `wait_s`."""
        if (place := self._recent.get(position)) is not None:
            return place
        future: asyncio.Future[Published] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(position, set()).add(future)
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return None
        finally:
            others = self._waiting.get(position, set())
            others.discard(future)
            if not others:
                self._waiting.pop(position, None)

    def tell(self, places: Mapping[Position, Published]) -> None:
        """These were published: answer who waits, and remember for who asks a moment later."""
        self._recent.update(places)
        for stale in list(self._recent)[: max(0, len(self._recent) - _RECENT_MAX)]:
            del self._recent[stale]
        for position, place in places.items():
            for future in self._waiting.pop(position, ()):
                if not future.done():
                    future.set_result(place)
