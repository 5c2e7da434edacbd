"""Running an application: one process, one event loop."""

import os
from contextlib import suppress
from typing import Final

import uvicorn
from fastapi import FastAPI

STOP_S_MAX: Final = 10
"""How long running requests may take to end once a stop is asked for; open streams are cut."""
_HEADERS_BYTES_MAX: Final = 64 * 1024
_KEEP_ALIVE_S: Final = 75
"""Longer than clients keep idle connections, so that it is they who close them."""


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
    server = uvicorn.Server(config)
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
