"""The table as Postgres's roles and grants. Run again it changes nothing; a grant that stands in
the database and not in the table is taken away.

It runs as the database's administrator. The tables belong to a role that nobody logs in as, so
no service can alter a table, drop a trigger, or read another's schema.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.privileges.table import (
    AUDITOR,
    OPERATOR,
    OWNER,
    PRINCIPALS,
    READ_TABLES,
    STAGES,
    Principal,
    Tables,
)
from shared.addresses import read_password, without_password_file
from shared.journal.service import MIGRATIONS as STAGE_MIGRATIONS
from shared.postgres.migrations import migrate
from shared.postgres.pool import Connection, Limits, connect
from shared.privacy import MIGRATIONS as KEY_MIGRATIONS

DATABASE: Final = "qyzmet"
PRIVACY: Final = "privacy"
_LIMITS: Final = Limits(statement_s=600.0, idle_in_transaction_s=600.0)
_ITERATIONS: Final = 4096
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('qyzmet privileges'))"


@dataclass(frozen=True)
class Administrator:
    """How the set-up reaches the server: a URL without a database at its end."""

    server: str

    def url(self, database: str) -> str:
        """The URL of one database."""
        address, mark, query = self.server.partition("?")
        return f"{address.rstrip('/')}/{database}{mark}{query}"


async def apply_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Roles, their passwords and memberships; they hold for the whole server."""
    async with connection.transaction():
        await connection.execute(_LOCK)
        for owner in (OWNER, READ_TABLES):
            await _make_role(connection, owner, "NOLOGIN")
        for principal in PRINCIPALS:
            await _make_role(connection, principal.name, "LOGIN")
            await connection.execute(
                f"ALTER ROLE {principal.name} PASSWORD '{verifier(passwords[principal.name])}'"
            )
        for principal in PRINCIPALS:
            await _set_memberships(connection, principal)


async def apply_databases(connection: Connection) -> None:
    """The two databases, each closed to everybody but those who need it."""
    for name in (DATABASE, PRIVACY):
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    async with connection.transaction():
        await connection.execute(_LOCK)
        await _open_databases(connection)


async def _open_databases(connection: Connection) -> None:
    names = await connection.fetch("SELECT datname FROM pg_database WHERE datallowconn")
    for row in names:
        await connection.execute(f'REVOKE ALL ON DATABASE "{row["datname"]}" FROM PUBLIC')
    await connection.execute(f"GRANT CREATE, TEMPORARY ON DATABASE {DATABASE} TO {READ_TABLES}")
    for principal in PRINCIPALS:
        for name in (DATABASE, PRIVACY):
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM {principal.name}")
        if principal.enters_services:
            await connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {principal.name}")
        acts = f"SET role TO {principal.acts_as}" if principal.acts_as else "RESET role"
        await connection.execute(f"ALTER ROLE {principal.name} IN DATABASE {DATABASE} {acts}")
        if principal.enters_keys:
            await connection.execute(f"GRANT CONNECT ON DATABASE {PRIVACY} TO {principal.name}")


async def apply_services(connection: Connection) -> None:
    """In the database of the services: schemas, tables, grants."""
    for stage in STAGES:
        await _make_schema(connection, stage)
        await _migrate_as_owner(connection, STAGE_MIGRATIONS, stage)
    async with connection.transaction():
        await connection.execute(_LOCK)
        await _close_to_all(connection, STAGES)
        for principal in PRINCIPALS:
            await _grant(connection, principal.name, principal.tables)
        # The read side makes its own schemas, again and again: what others may see of them is said
        # in advance.
        for reader in (OPERATOR, AUDITOR):
            for kind, right in (("SCHEMAS", "USAGE"), ("TABLES", "SELECT")):
                await connection.execute(
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {READ_TABLES} GRANT {right} ON {kind}"
                    f" TO {reader}"
                )


async def apply_keys(connection: Connection) -> None:
    """In the database of keys: tables, grants."""
    await connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
    await _migrate_as_owner(connection, KEY_MIGRATIONS, "public")
    async with connection.transaction():
        await connection.execute(_LOCK)
        await _close_to_all(connection, ("public",))
        for principal in PRINCIPALS:
            of_schema = {f"public.{table}": may for table, may in principal.keys.items()}
            await _grant(connection, principal.name, of_schema)


async def apply_administrator(administrator: Administrator) -> None:
    """Give the administrator the password that stands first in its file."""
    _, file = without_password_file(administrator.server)
    if file is None:
        return
    connection = await connect(
        administrator.url("postgres"), schema="public", application_name="setup"
    )
    try:
        await connection.execute(
            f"ALTER ROLE CURRENT_USER PASSWORD '{verifier(read_password(file))}'"
        )
    finally:
        await connection.close()


async def apply_grants(administrator: Administrator, passwords: Mapping[str, str]) -> None:
    """All of the above, in order."""
    await apply_administrator(administrator)
    for database, steps in (
        ("postgres", (lambda each: apply_roles(each, passwords), apply_databases)),
        (DATABASE, (apply_services,)),
        (PRIVACY, (apply_keys,)),
    ):
        url = administrator.url(database)
        connection = await connect(url, schema="public", application_name="setup", limits=_LIMITS)
        try:
            for step in steps:
                await step(connection)
        finally:
            await connection.close()


async def _make_role(connection: Connection, name: str, login: str) -> None:
    """No role of ours makes others, copies the server, passes by row security or is superuser."""
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name}")
    await connection.execute(
        f"ALTER ROLE {name} {login} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
        " NOBYPASSRLS CONNECTION LIMIT -1"
    )


async def _set_memberships(connection: Connection, principal: Principal) -> None:
    rows = await connection.fetch(
        "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
        " JOIN pg_roles u ON u.oid = m.member WHERE u.rolname = $1",
        principal.name,
    )
    standing = {row["rolname"] for row in rows}
    for role in sorted(standing - principal.member_of):
        await connection.execute(f"REVOKE {role} FROM {principal.name}")
    for role in sorted(principal.member_of - standing):
        await connection.execute(f"GRANT {role} TO {principal.name}")


async def _make_schema(connection: Connection, schema: str) -> None:
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {OWNER}")
    await connection.execute(f"ALTER SCHEMA {schema} OWNER TO {OWNER}")


async def _migrate_as_owner(connection: Connection, folder: object, schema: str) -> None:
    await connection.execute(f"SET ROLE {OWNER}")
    try:
        await migrate(connection, folder, schema)  # type: ignore[arg-type]
    finally:
        await connection.execute("RESET ROLE")


async def _close_to_all(connection: Connection, schemas: tuple[str, ...]) -> None:
    """Whoever had a right has it no more; inside a transaction, so nobody is without one."""
    everybody = ", ".join(("PUBLIC", *(principal.name for principal in PRINCIPALS)))
    for schema in schemas:
        await connection.execute(f"REVOKE ALL ON SCHEMA {schema} FROM {everybody}")
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            await connection.execute(
                f"REVOKE ALL ON ALL {kind} IN SCHEMA {schema} FROM {everybody}"
            )


async def _grant(connection: Connection, role: str, tables: Tables) -> None:
    for schema in sorted({table.partition(".")[0] for table in tables}):
        await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    for table, privileges in sorted(tables.items()):
        await connection.execute(f"GRANT {', '.join(sorted(privileges))} ON {table} TO {role}")


def verifier(password: str) -> str:
    """What Postgres keeps of a password (RFC 5803): so the password itself is never told to it.

    Ours are ASCII, for which the preparation of the text (SASLprep) changes nothing.
    """
    if not password or not password.isascii():
        raise ValueError("a password of ours is ASCII and not empty")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"
