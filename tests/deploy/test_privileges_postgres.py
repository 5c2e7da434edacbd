"""Who may do what in Postgres: everybody tries everything, exactly the table's lines succeed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import LocalPostgres
from deploy.local.processes import HOST
from deploy.privileges.grants import DATABASE, PRIVACY
from deploy.privileges.table import BY_NAME, OWNER, PRINCIPALS, STAGE_TABLES, STAGES, Principal
from shared.postgres.pool import connect, open_pool
from tests.deploy.secured import role_url, set_up_postgres

RoleServer = tuple[LocalPostgres, Mapping[str, str]]
NAMES = tuple(principal.name for principal in PRINCIPALS)
KEY_TABLES = ("applicants", "case_keys", "openings", "schema_migrations")
# What is asked of each table. EXPLAIN checks the rights and does nothing. `{column}` is one of its
# columns: who may change one only, may not change the others.
STATEMENTS = {
    "SELECT": 'EXPLAIN SELECT "{column}" FROM {table}',
    "INSERT": 'EXPLAIN INSERT INTO {table} ("{column}") VALUES (DEFAULT)',
    "UPDATE": 'EXPLAIN UPDATE {table} SET "{column}" = DEFAULT',
    "DELETE": "EXPLAIN DELETE FROM {table}",
}
# Who owns a table may do these; nobody who logs in does.
OWNERS = (
    "TRUNCATE {table}",
    "DROP TABLE {table}",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} ADD COLUMN more text",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "CREATE INDEX ON {table} ({column})",
    "CREATE POLICY more ON {table}",
    "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
)
ELSEWHERE = (
    "CREATE SCHEMA more",
    "CREATE TABLE public.more ()",
    "CREATE TEMPORARY TABLE more ()",
    "CREATE ROLE more",
    f"SET ROLE {OWNER}",
    "SET ROLE qyzmet",
    "SET SESSION AUTHORIZATION qyzmet",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT rolpassword FROM pg_authid",
)


@pytest.fixture(scope="module")
async def columns(role_server: RoleServer) -> dict[str, dict[str, list[str]]]:
    """By database and table."""
    server, _ = role_server
    found: dict[str, dict[str, list[str]]] = {}
    for database in (DATABASE, PRIVACY):
        connection = await asyncpg.connect(server.url(database))
        rows = await connection.fetch(
            "SELECT table_schema || '.' || table_name AS name, column_name"
            " FROM information_schema.columns WHERE table_schema = ANY($1)"
            " ORDER BY name, ordinal_position",
            [*STAGES, "public"],
        )
        await connection.close()
        for row in rows:
            found.setdefault(database, {}).setdefault(row["name"], []).append(row["column_name"])
    return found


async def is_allowed(connection: asyncpg.Connection, statement: str) -> bool:
    """Try it, and take it back. Only "insufficient privilege" is a refusal."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await transaction.rollback()
    return True


@pytest.fixture(params=NAMES)
async def entered(
    role_server: RoleServer, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Principal, dict[str, asyncpg.Connection]]]:
    """A principal with a connection to each database that lets it in."""
    server, passwords = role_server
    principal = BY_NAME[request.param]
    found = {}
    for database in (DATABASE, PRIVACY, "postgres", "template1"):
        url = role_url(server, principal.name, passwords[principal.name], database)
        try:
            found[database] = await asyncpg.connect(url)
        except asyncpg.InsufficientPrivilegeError:
            continue
    yield principal, found
    for connection in found.values():
        await connection.close()


Entered = tuple[Principal, dict[str, asyncpg.Connection]]
Columns = dict[str, dict[str, list[str]]]


def wanted(principal: Principal, database: str, columns: Columns) -> set[tuple[str, str, str]]:
    """The table's lines, a column each."""
    tables = principal.tables
    if database == PRIVACY:
        tables = {f"public.{table}": may for table, may in principal.keys.items()}
    found = set()
    for table, privileges in tables.items():
        for privilege in privileges:
            verb, _, only = privilege.partition(" (")
            named = [only.rstrip(")").strip('"')] if only else columns[database][table]
            found |= {(table, verb, column) for column in named}
    return found


async def test_each_may_do_what_the_table_says_and_nothing_else(
    entered: Entered, columns: Columns
) -> None:
    principal, connections = entered
    served = {DATABASE} if principal.enters_services else set()
    assert set(connections) == served | ({PRIVACY} if principal.keys else set())
    tried = 0
    for database, connection in connections.items():
        done = set()
        for table, names in columns[database].items():
            for verb, statement in STATEMENTS.items():
                for column in names:
                    tried += 1
                    if await is_allowed(connection, statement.format(table=table, column=column)):
                        done.add((table, verb, column))
        assert done == wanted(principal, database, columns)
    assert tried > len(KEY_TABLES) * len(STATEMENTS)


async def test_nobody_owns_what_it_works_on(entered: Entered, columns: Columns) -> None:
    principal, connections = entered
    done = set()
    for database, connection in connections.items():
        for table, names in columns[database].items():
            for statement in OWNERS:
                text = statement.format(table=table, column=names[0])
                if await is_allowed(connection, text):
                    done.add((statement, table))
    # To keep out a stage that starts meanwhile, who mends the log locks how far each has read.
    locks = "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
    may_lock = {
        table
        for table, privileges in wanted_tables(principal).items()
        if any(each in {"UPDATE", "DELETE"} for each in privileges)
    }
    assert done == {(locks, table) for table in may_lock}


def wanted_tables(principal: Principal) -> Mapping[str, frozenset[str]]:
    """Of both databases: Postgres lets whoever may change or delete rows lock a table."""
    return {**principal.tables, **{f"public.{name}": may for name, may in principal.keys.items()}}


async def test_nobody_gets_out_of_its_place(entered: Entered) -> None:
    principal, connections = entered
    done = {
        (database, statement)
        for database, connection in connections.items()
        for statement in ELSEWHERE
        if await is_allowed(connection, statement)
    }
    makes_schemas = {"CREATE SCHEMA more", "CREATE TEMPORARY TABLE more ()"}
    # The read side makes its own schemas, and who mends the log drops them: as a member of it.
    expected = makes_schemas if principal.name in {"casebook", "operator"} else set()
    assert done == {(DATABASE, statement) for statement in expected}


async def test_the_tables_of_all_stages_are_the_ones_of_the_table(columns: Columns) -> None:
    found = set(columns[DATABASE])
    assert found == {f"{stage}.{table}" for stage in STAGES for table in STAGE_TABLES}
    assert set(columns[PRIVACY]) == {f"public.{table}" for table in KEY_TABLES}


async def test_the_set_up_run_again_changes_passwords_and_nothing_else(
    role_server: RoleServer,
) -> None:
    server, passwords = role_server
    acl = "SELECT coalesce(string_agg(relname || relacl::text, ' ' ORDER BY oid), '') FROM pg_class"
    before = await asyncio.to_thread(server.query, acl, DATABASE)
    stray = "GRANT SELECT ON intake.journal TO routing"
    await asyncio.to_thread(server.query, stray, DATABASE)
    changed = await set_up_postgres(server)
    assert await asyncio.to_thread(server.query, acl, DATABASE) == before
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(role_url(server, "intake", passwords["intake"]))
    await (await asyncpg.connect(role_url(server, "intake", changed["intake"]))).close()
    await set_up_postgres(server, passwords)  # as the other tests know them


async def test_while_a_password_is_being_changed_the_new_and_the_old_let_in(
    role_server: RoleServer, tmp_path: Path
) -> None:
    server, passwords = role_server
    file = tmp_path / "password"
    url = f"postgresql://intake@{HOST}:{server.port}/{DATABASE}?password_file={file}"
    known = passwords["intake"]
    for lines in ([known], ["not yet", known], [known, "no more"]):
        file.write_text("\n".join(lines))
        async with await open_pool(url, schema="intake", application_name="test") as pool:
            assert await pool.fetchval("SELECT current_user") == "intake"
        connection = await connect(url, schema="intake", application_name="test")
        await connection.close()
    file.write_text("neither\nnor")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(url, schema="intake", application_name="test")
