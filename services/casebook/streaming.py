"""A stream over HTTP that ends when its client takes nothing any more."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

_log = structlog.get_logger()

TAKEN_WITHIN_S: Final = 60.0
"""A client that reads nothing for so long, with its buffers full, gives up its place."""


class Stream(StreamingResponse):
    """See the module. Without it a client that stops reading would hold its place for ever."""

    taken_within_s = TAKEN_WITHIN_S

    async def stream_response(self, send: Send) -> None:
        """Send what the stream says, each part in time or no more."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(self.taken_within_s):
                await send(message)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            # The server closes what is not complete.
            _log.info("stream_not_read", within_s=self.taken_within_s)
        finally:
            # Whatever ended it, the place is free now, not when the garbage is collected.
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()
