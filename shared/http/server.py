"""Running an application: one process, one event loop."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI

STOP_S_MAX: Final = 10
"""How long running requests may take to end once a stop is asked for; open streams are cut."""
_HEADERS_BYTES_MAX: Final = 64 * 1024
_KEEP_ALIVE_S: Final = 75
"""Longer than clients keep idle connections, so that it is they who close them."""
_ASKS_WITHIN_S: Final = 1.0
"""How long after it has connected a client's request may take to come, once a stop is asked for."""


class Server(uvicorn.Server):
    """One that breaks off nobody who has connected.

    uvicorn's own, when it stops, closes connections whose request is still on its way, and with its
    sockets those that it has not taken up yet. A proxy cannot know whether such a request was
    carried out, so it asks no other process and answers 502.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; uvicorn calls it."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            waiting = [each for own in server.sockets for each in _waiting(own.fileno())]
            server.close()
            for connection in waiting:
                await loop.connect_accepted_socket(self._protocol, connection)
        if self.server_state.connections:
            await asyncio.sleep(_ASKS_WITHIN_S)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one for each connection."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def _waiting(listener: int) -> Iterator[socket.socket]:
    """Connections that the system has made and the process has not taken up."""
    with socket.socket(fileno=os.dup(listener)) as own:
        own.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                yield own.accept()[0]


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; what must be closed, the application's lifespan closes.

    Nothing after this call runs when a signal ended it: the signal is raised again.

    Raises:
        SystemExit: it did not start; the log says why.
    """
    _work_in_batches()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        # It bounds the headers of a request; httptools, taken when it is there, does not.
        http="h11",
        h11_max_incomplete_event_size=_HEADERS_BYTES_MAX,
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S_MAX,
    )
    server = Server(config)
    server.run()
    if not server.started:
        raise SystemExit(1)


def _work_in_batches() -> None:
    """Ask the system, where it can, not to interrupt others for us, nor us for them (Linux).

    A service reads its batches through; eight that cut into each other every two milliseconds
    keep finding their caches cold, which cost a case a twentieth of its time.
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
