"""The pointer to the live tables: the schema's own name.

The live tables lie in `casebook`, those that a rebuild fills in `casebook_next`, those that a swap
has put away in `casebook_before`. A flip renames them in one transaction: every session finds the
other tables with its next statement, none waits, and none can see half of both. What folds holds
the pointer while it does, so that no batch is folded half here and half there.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import asyncpg

from shared.errors import Unavailable
from shared.postgres.faults import reachable
from shared.postgres.pool import Connection, Pool
from shared.postgres.schema import checked_schema

MIGRATIONS: Final = files("services.casebook") / "migrations"
CHANNEL: Final = "casebook_changes"
"""Told after each commit and each flip; with the live schema's name behind it."""
_POINTER: Final = 0x71797A70
"""The first half of a lock ("qyzp"); the second is the hash of the schema's name."""

_HOLD: Final = "SELECT pg_advisory_xact_lock_shared($1, hashtext(current_schema()))"
_STOP: Final = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
# A name in the catalogue is read as of the snapshot, the same name as a regnamespace as of now.
_STANDS: Final = """
SELECT (SELECT oid::regnamespace FROM pg_namespace WHERE nspname = $1)
    IS NOT DISTINCT FROM to_regnamespace($1)
"""


class Lost(Unavailable):
    """There are no live tables: they are being folded anew, and come back all at once."""

    def __init__(self) -> None:
        super().__init__("the read side is being folded anew", retry_after_s=5)


@contextmanager
def asking() -> Iterator[None]:
    """Around questions to the live tables.

    Raises:
        Lost: there are none.
        Unavailable: the database cannot be asked now.
    """
    try:
        with reachable("the read side"):
            yield
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as fault:
        raise Lost from fault


@dataclass(frozen=True, slots=True)
class Schemas:
    """Where the tables of one read side lie."""

    live: str

    @property
    def next(self) -> str:
        """What a rebuild fills."""
        return checked_schema(f"{self.live}_next")

    @property
    def before(self) -> str:
        """What was live before the last flip."""
        return checked_schema(f"{self.live}_before")

    @property
    def aside(self) -> str:
        """A name for the time of a flip, inside its transaction."""
        return checked_schema(f"{self.live}_aside")


async def hold_pointer(connection: Connection) -> None:
    """Until this transaction ends, the schema that it works in keeps its name."""
    await connection.execute(_HOLD, _POINTER)


@asynccontextmanager
async def one_look(pool: Pool, schema: str) -> AsyncIterator[Connection]:
    """A connection whose statements all see the live tables as they are at one instant.

    Postgres chooses the instant before it waits for the pointer. If a flip was waited for, that
    would show the new tables as they were before they were brought level: so it is looked again.
    """
    while True:
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await hold_pointer(connection)
            if await still_named(connection, schema):
                yield connection
                return


async def still_named(connection: Connection, schema: str) -> bool:
    """Whether a schema's name stands for the same tables as at the instant of this transaction."""
    found: bool = await connection.fetchval(_STANDS, schema)
    return found


async def stop_folding(connection: Connection, schema: str) -> None:
    """Until this transaction ends, nothing is folded into a schema. Waits for what is under way."""
    await connection.execute(_STOP, _POINTER, schema)


async def exists(connection: Connection, schema: str) -> bool:
    """Whether there is such a schema."""
    found: bool = await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema)
    return found


async def rename(connection: Connection, old: str, new: str) -> None:
    """Give a schema another name. Inside a transaction."""
    await connection.execute(f"ALTER SCHEMA {checked_schema(old)} RENAME TO {checked_schema(new)}")


async def drop(connection: Connection, schema: str) -> None:
    """Delete a schema with all that is in it, if it is there."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {checked_schema(schema)} CASCADE")
