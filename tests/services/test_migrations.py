"""Migrations on a real Postgres: applied once, in order, all or nothing, and never edited."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shared.postgres.migrations import BadMigrations, migrate, read_migrations
from shared.postgres.pool import Connection, Limits, connect, open_pool

FIRST = "-- migrate:up\nCREATE TABLE cases (id integer PRIMARY KEY);\n"
SECOND = "-- migrate:up\nALTER TABLE cases ADD COLUMN office text;\nCREATE TABLE dues ();\n"
BROKEN = "-- migrate:up\nCREATE TABLE more ();\nCREATE TABLE cases ();\n"


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database, schema="intake", application_name="test")
    yield connection
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    (tmp_path / "README.md").write_text("not a migration")
    return tmp_path


async def tables(connection: Connection, schema: str = "intake") -> set[str]:
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = $1", schema
    )
    return {row["table_name"] for row in rows}


async def test_files_are_applied_once_and_in_order(connection: Connection, folder: Path) -> None:
    assert await migrate(connection, folder, "intake") == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(connection, folder, "intake") == []
    (folder / "0003_third.sql").write_text("-- migrate:up\nCREATE TABLE third ();\n")
    assert await migrate(connection, folder, "intake") == ["0003_third.sql"]
    assert await tables(connection) == {"cases", "dues", "third", "schema_migrations"}


async def test_the_same_files_serve_several_schemas(connection: Connection, folder: Path) -> None:
    await migrate(connection, folder, "intake")
    await migrate(connection, folder, "routing")
    assert await tables(connection, "routing") == await tables(connection, "intake")
    assert await connection.fetchval("SHOW search_path") == "intake"


async def test_many_processes_may_start_at_once(database: str, folder: Path) -> None:
    async def start() -> list[str]:
        connection = await connect(database, schema="intake", application_name="test")
        try:
            return await migrate(connection, folder, "intake")
        finally:
            await connection.close()

    answers = await asyncio.gather(*(start() for _ in range(6)))
    assert sorted(len(answer) for answer in answers) == [0, 0, 0, 0, 0, 2]


async def test_a_failing_file_changes_nothing(connection: Connection, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text(BROKEN)
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(connection, folder, "intake")
    assert await tables(connection) == set()


async def test_an_edited_file_is_refused(connection: Connection, folder: Path) -> None:
    await migrate(connection, folder, "intake")
    (folder / "0001_first.sql").write_text(FIRST + "\n-- a word")
    with pytest.raises(BadMigrations, match=r"0001_first\.sql was edited"):
        await migrate(connection, folder, "intake")


async def test_a_newer_database_is_refused(connection: Connection, folder: Path) -> None:
    await migrate(connection, folder, "intake")
    (folder / "0002_second.sql").unlink()
    with pytest.raises(BadMigrations, match=r"newer than this build.*0002_second\.sql"):
        await migrate(connection, folder, "intake")


async def test_a_file_that_comes_late_is_refused(connection: Connection, folder: Path) -> None:
    late = folder / "0002_second.sql"
    late.rename(folder / "0005_second.sql")
    await migrate(connection, folder, "intake")
    late.write_text("-- migrate:up\nCREATE TABLE late ();\n")
    with pytest.raises(BadMigrations, match=r"0002_second\.sql comes late"):
        await migrate(connection, folder, "intake")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1_short.sql", FIRST),
        ("0003-dashes.sql", FIRST),
        ("0003_no_mark.sql", "CREATE TABLE x ();"),
        ("0003_both_ways.sql", FIRST + "-- migrate:down\nDROP TABLE cases;"),
        ("0002_twice.sql", FIRST),
    ],
)
def test_a_file_of_another_form_is_refused(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(BadMigrations, match=name.split(".", maxsplit=1)[0]):
        read_migrations(folder)


def test_a_folder_without_migrations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMigrations, match="holds no migrations"):
        read_migrations(tmp_path)


async def test_a_schema_with_an_odd_name_is_refused(connection: Connection, folder: Path) -> None:
    with pytest.raises(ValueError, match="not a name of a schema"):
        await migrate(connection, folder, 'x"; DROP SCHEMA public; --')


async def test_every_connection_of_a_pool_has_its_limits(database: str) -> None:
    limits = Limits(connections_min=1, connections_max=2, statement_s=0.2)
    pool = await open_pool(database, schema="intake", application_name="test", limits=limits)
    async with pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(3)")
        assert await pool.fetchval("SHOW timezone") == "UTC"
        assert await pool.fetchval("SELECT '{\"a\": 1}'::jsonb") == '{"a": 1}'
