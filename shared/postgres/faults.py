"""Which faults of a database mean "wait and repeat", and which are ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared.errors import Unavailable

TRANSIENT: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
"""The server is gone, starting, stopping, full, busy beyond a timeout, or a replica just now.

InternalClientError ("cannot switch to state") is what asyncpg makes of a server's goodbye that
arrives just as a statement begins: seen in 4 of 10 terminated connections. They are closed then.
"""


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Around database calls: a passing fault becomes `Unavailable(what)`, all else stays itself.

    Raises:
        Unavailable: the database cannot be asked now.
    """
    try:
        yield
    except TRANSIENT as fault:
        raise Unavailable(what) from fault
    except asyncpg.InterfaceError as fault:
        if not _is_lost(fault):
            raise
        raise Unavailable(what) from fault


def _is_lost(fault: asyncpg.InterfaceError) -> bool:
    # asyncpg has one class for wrong calls and for connections lost or pools closed under a call.
    text = str(fault)
    return "closed" in text or "closing" in text or "released" in text
