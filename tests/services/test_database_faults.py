"""Which faults of a database are `Unavailable`: those that pass by themselves, and no others."""

from pathlib import Path

import asyncpg
import pytest

from shared.errors import Unavailable
from shared.postgres.faults import reachable
from shared.postgres.pool import Limits, connect, open_pool


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    limits = Limits(connect_s=1.0)
    with pytest.raises(Unavailable):
        await connect(
            f"postgresql://nobody@/none?host={tmp_path}",
            schema="intake",
            application_name="test",
            limits=limits,
        )


async def test_a_slow_statement_is_unavailable(database: str) -> None:
    limits = Limits(connections_min=1, statement_s=0.1)
    pool = await open_pool(database, schema="intake", application_name="test", limits=limits)
    async with pool:
        with pytest.raises(Unavailable, match="the journal"), reachable("the journal"):
            await pool.execute("SELECT pg_sleep(3)")


async def test_a_connection_lost_under_a_statement_is_unavailable(database: str) -> None:
    """Often enough to meet each of the three errors that asyncpg has for it."""
    other = await connect(database, schema="intake", application_name="test")
    for _ in range(30):
        connection = await connect(database, schema="intake", application_name="test")
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        for _ in range(2):
            with pytest.raises(Unavailable), reachable("the journal"):
                await connection.execute("SELECT 1")
        assert connection.is_closed()
    await other.close()


async def test_a_closed_pool_is_unavailable(database: str) -> None:
    pool = await open_pool(database, schema="intake", application_name="test")
    await pool.close()
    with pytest.raises(Unavailable), reachable("the journal"):
        await pool.execute("SELECT 1")


async def test_a_wrong_statement_is_not(database: str) -> None:
    connection = await connect(database, schema="intake", application_name="test")
    with pytest.raises(asyncpg.UndefinedTableError), reachable("the journal"):
        await connection.execute("SELECT * FROM missing")
    with pytest.raises(asyncpg.InterfaceError), reachable("the journal"):
        await connection.fetchval("SELECT $1::int", 1, 2)
    await connection.close()
