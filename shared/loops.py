"""What a service does for as long as it lives, and what it waits for before."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, TypeVar

import structlog

from shared.errors import Unavailable

_log = structlog.get_logger()

_T = TypeVar("_T")
_AGAIN_S: Final = 1.0


class Loops:
    """Tasks of which none ends by itself."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def start(self, work: Coroutine[object, object, None], name: str) -> None:
        """One more."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.add(task)

    def require_all(self) -> None:
        """Raises Unavailable when one has ended."""
        if any(task.done() for task in self._tasks):
            raise Unavailable("a loop has ended")

    async def stop(self) -> None:
        """End all of them."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A loop that ends by itself is a bug: end the process, its supervisor starts another."""
        if self._stopping:
            return
        # Cancelled, too: by a library that lets the end of its own tasks out.
        fault = None if task.cancelled() else task.exception()
        _log.error("loop_ended", loop=task.get_name(), exc_info=fault)
        signal.raise_signal(signal.SIGTERM)


async def until_available(attempt: Callable[[], Awaitable[_T]], tell: Callable[[str], None]) -> _T:
    """Try once a second, until what is needed is there; `tell` is told what is missing."""
    while True:
        try:
            return await attempt()
        except Unavailable as fault:
            tell(fault.what)
            _log.warning("start_waits", what=fault.what)
            await asyncio.sleep(_AGAIN_S)
