"""Postgres from its wheel: data outlives a crash, and nobody comes in without the password."""

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.local.ports import free_ports
from deploy.local.postgres import LocalPostgres


@pytest.fixture
def own(session_folder: Path) -> Iterator[LocalPostgres]:
    """A server of this test's own, to be killed."""
    folder = Path(tempfile.mkdtemp(dir=session_folder))
    folder.chmod(0o711)
    server = LocalPostgres(folder / "postgres", free_ports(1)[0])
    yield server
    server.remove()


def test_what_was_committed_is_there_after_a_kill(own: LocalPostgres) -> None:
    own.start()
    own.wait_ready()
    own.create_database("kept")
    own.query("CREATE TABLE facts (fact text); INSERT INTO facts VALUES ('said')", "kept")
    family = psutil.Process(own.child.pid).children(recursive=True)
    assert family
    own.kill()
    assert not any(member.is_running() for member in family)

    own.start()
    own.wait_ready()
    own.create_database("kept")
    assert own.query("SELECT fact FROM facts", "kept") == "said"


def test_a_folder_that_others_may_not_enter_is_served_all_the_same(tmp_path: Path) -> None:
    # pytest's folders are closed to all but their owner: as root, to Postgres's account too.
    server = LocalPostgres(tmp_path / "postgres", free_ports(1)[0])
    try:
        server.start()
        server.wait_ready()
        assert server.query("SHOW fsync") == "on"
        assert server.query("SHOW server_version").startswith("18.")
        data = (server.folder / "data").resolve()
        assert data.exists()
    finally:
        server.remove()
    assert not data.exists()


async def test_a_wrong_password_is_refused(postgres: LocalPostgres) -> None:
    password = postgres.url("postgres").split(":")[2].split("@")[0]
    for wrong in ("postgres", "qyzmet", "x" + password):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.url("postgres").replace(password, wrong))


def test_the_password_is_its_owners_alone(postgres: LocalPostgres) -> None:
    mode = (postgres.folder / "password").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_each_test_gets_a_database_of_its_own(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            == 0
        )
    finally:
        await connection.close()
