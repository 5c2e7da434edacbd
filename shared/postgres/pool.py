"""Connections to Postgres, every one of them with its limits."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from shared.addresses import let_in, read_passwords, without_password_file
from shared.postgres.faults import reachable
from shared.postgres.schema import checked_schema

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
else:
    # The types are generic for the checker only.
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, how long each thing may take (seconds), and how tables are read."""

    connections_min: int = 2
    connections_max: int = 10
    connect_s: float = 5.0
    statement_s: float = 15.0
    idle_in_transaction_s: float = 10.0
    whole_tables: bool = True
    """Whether a statement may read a table from end to end while an index would do. Not in a
    service: its tables grow by thousands of rows before Postgres counts them again, and a plan
    for the few rows of before reads all of them for each batch."""


async def open_pool(
    url: str, *, schema: str, application_name: str, limits: Limits | None = None
) -> Pool:
    """A pool whose connections see one schema, in UTC. json and jsonb come as text.

    The server ends a statement after `statement_s`; the client gives up a little later, which
    it needs only when the network is gone.

    Raises:
        Unavailable: the database cannot be reached.
    """
    limits = limits or Limits()
    with reachable("the database"):
        return await asyncpg.create_pool(
            connect=partial(_let_in, url),
            min_size=limits.connections_min,
            max_size=limits.connections_max,
            timeout=limits.connect_s,
            command_timeout=limits.statement_s + 1.0,
            server_settings=server_settings(schema, application_name, limits),
            reset=_left_as_it_is,
        )


async def _let_in(
    url: str,
    *_none: object,
    **options: Any,  # noqa: ANN401 - the pool hands on what it was told for its own client
) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection. A password in a file is read anew for each."""
    dsn, file = without_password_file(url)
    passwords = [None] if file is None else read_passwords(file)

    async def enter(password: str | None) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(**{**options, "dsn": dsn, "password": password})

    return await let_in(passwords, enter, asyncpg.InvalidPasswordError)


async def _left_as_it_is(_connection: Connection) -> None:
    """Nothing to put back: requests change no session state, and it would be one more round trip.

    Who listens on a pooled connection stops listening before it gives the connection back.
    """


async def connect(
    url: str, *, schema: str, application_name: str, limits: Limits | None = None
) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside of any pool: for a session's advisory lock, or to listen.

    Raises:
        Unavailable: the database cannot be reached.
    """
    limits = limits or Limits()
    with reachable("the database"):
        return await _let_in(
            url,
            timeout=limits.connect_s,
            command_timeout=limits.statement_s + 1.0,
            server_settings=server_settings(schema, application_name, limits),
        )


def server_settings(schema: str, application_name: str, limits: Limits) -> dict[str, str]:
    """What every session of ours is set to. Times in milliseconds, as Postgres reads them."""
    return {
        "application_name": application_name,
        "search_path": checked_schema(schema),
        "timezone": "UTC",
        "statement_timeout": str(round(limits.statement_s * 1000)),
        "idle_in_transaction_session_timeout": str(round(limits.idle_in_transaction_s * 1000)),
        "enable_seqscan": "on" if limits.whole_tables else "off",
    }
