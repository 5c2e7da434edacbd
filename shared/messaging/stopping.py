"""Starting and stopping a Kafka client: nothing is left open, nothing waits long, and a stop never
throws at whoever has it stopped.

aiokafka 0.14 awaits, while it closes, the tasks it has just cancelled. With the broker gone their
CancelledError comes out of `stop`, and looks as if the caller had been cancelled: a loop that
stopped its client would end without a word. So the client is stopped in a task of its own.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer

_log = structlog.get_logger()

STOP_WAIT_S: Final = 8.0
_START_WAIT_S: Final = 3.0


async def started(start: Coroutine[Any, Any, None], what: str) -> None:
    """Run `start`, and let it end although whoever waits for it is cancelled: half-way it would
    leave its first connection open for good."""
    starting = asyncio.create_task(start)
    try:
        await asyncio.shield(starting)
    except BaseException:
        await stopped(_ended(starting), what, _START_WAIT_S)
        raise


async def _ended(starting: "asyncio.Task[None]") -> None:
    await asyncio.wait({starting})


async def stopped(stop: Coroutine[Any, Any, None], what: str, wait_s: float = STOP_WAIT_S) -> None:
    """Run `stop` for `wait_s` at most; what goes wrong with it is logged and left behind."""
    stopping = asyncio.create_task(stop)
    try:
        await asyncio.wait({stopping}, timeout=wait_s)
    finally:
        stopping.cancel()
    fault: str | None = None
    if not stopping.done():
        fault = "it takes too long"
    elif stopping.cancelled():
        fault = "it cancelled itself"
    elif (raised := stopping.exception()) is not None:
        fault = type(raised).__name__
    if fault is not None:
        _log.warning("client_left_behind", what=what, fault=fault)


async def closed(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, and close its connections even if that fails half-way."""
    try:
        await consumer.stop()
    finally:
        await consumer._client.close()  # noqa: SLF001 - `stop` leaves it open when it fails
