"""Forward-only migrations: SQL files in dbmate's format, `NNNN_name.sql` with `-- migrate:up`.

Applied in order in one transaction under an advisory lock, and recorded in `schema_migrations`
with their SHA-256. A released file never changes: an edited one is refused, as is a database in
which a newer build has already applied more.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import asyncpg

from shared.postgres.pool import Connection
from shared.postgres.schema import checked_schema

_FILE_NAME: Final = re.compile(r"(?P<version>[0-9]{4})_[a-z0-9_]+\.sql")
_UP: Final = re.compile(r"^-- *migrate:up\s*$", re.MULTILINE)
_DOWN: Final = re.compile(r"^-- *migrate:down", re.MULTILINE)
_LOCK: Final = 0x71797A6D
"""The first half of the advisory lock ("qyzm"); the second is the hash of the schema's name."""
_WAIT_S_MAX: Final = 60
_RUN_S_MAX: Final = 600

_APPLIED = """
    CREATE TABLE schema_migrations (
        version    text        PRIMARY KEY,
        name       text        NOT NULL,
        sha256     text        NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""


class BadMigrations(Exception):
    """The files and what the database remembers of them do not belong together."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its four digits, its name, the hash of the whole file, the SQL to run."""

    version: str
    name: str
    sha256: str
    sql: str


def read_migrations(folder: Traversable | Path) -> list[Migration]:
    """The migrations of a folder, in order.

    Raises:
        BadMigrations: a file is misnamed, has no `-- migrate:up` or has a way down, or two have
            the same number.
    """
    found: list[Migration] = []
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(file.name)
        text = file.read_text(encoding="utf-8")
        if match is None or len(_UP.findall(text)) != 1 or _DOWN.search(text):
            raise BadMigrations(f"{file.name}: NNNN_name.sql with one '-- migrate:up', no down")
        if found and found[-1].version == match["version"]:
            raise BadMigrations(f"{file.name}: {found[-1].name} has the same number")
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(match["version"], file.name, sha256, text))
    if not found:
        raise BadMigrations(f"{folder.name}: holds no migrations")
    return found


async def migrate(connection: Connection, folder: Traversable | Path, schema: str) -> list[str]:
    """Bring a schema to the build's state, making it if need be; the names applied now.

    The files name no schema: they run with it as the search path. All or nothing. Any number of
    processes may call it at once: one works, the others wait up to a minute and find it done.

    Raises:
        BadMigrations: see there and `read_migrations`.
        asyncpg.PostgresError: a file's SQL failed; nothing was changed.
    """
    migrations = read_migrations(folder)
    checked_schema(schema)
    async with connection.transaction():
        # The pool's own limit is for requests; an index on a large table takes longer.
        await connection.execute(f"SET LOCAL statement_timeout = '{_RUN_S_MAX}s'")
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, schema, timeout=_WAIT_S_MAX
        )
        # Where an administrator has made it, the service needs no right to make schemas.
        if await connection.fetchval("SELECT to_regnamespace($1)", schema) is None:
            await connection.execute(f"CREATE SCHEMA {schema}")
        await connection.execute(f"SET LOCAL search_path = {schema}")
        # The same of its tables: it may only look whether they are as it knows them.
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            await connection.execute(_APPLIED)
        rows = await connection.fetch("SELECT version, name, sha256 FROM schema_migrations")
        missing = _missing(migrations, rows, schema)
        for migration in missing:
            await _apply(connection, migration)
    return [migration.name for migration in missing]


def _missing(
    migrations: Sequence[Migration], rows: Sequence[asyncpg.Record], schema: str
) -> list[Migration]:
    """The migrations still to apply: all after the last applied one.

    Raises:
        BadMigrations.
    """
    applied = {row["version"]: row for row in rows}
    known = {migration.version: migration for migration in migrations}
    foreign = sorted(row["name"] for version, row in applied.items() if version not in known)
    if foreign:
        raise BadMigrations(
            f"schema {schema} is newer than this build: it is at {foreign[-1]}, this build knows"
            f" up to {migrations[-1].name}; start the newer build"
        )
    last = max(applied, default="")
    for version, migration in known.items():
        if version in applied and applied[version]["sha256"] != migration.sha256:
            raise BadMigrations(
                f"{migration.name} was edited after it was applied to schema {schema};"
                " restore the file and put the change into a new one"
            )
        if version not in applied and version < last:
            raise BadMigrations(f"{migration.name} comes late: {last} is applied already")
    return [migration for migration in migrations if migration.version not in applied]


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.sql, timeout=_RUN_S_MAX)
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.sha256,
    )
