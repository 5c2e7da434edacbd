"""What services ask while they work is found by key, also by plans made for empty tables."""

from importlib.resources import files
from uuid import uuid4

import pytest

from services.casebook.projections import names
from services.casebook.schemas import MIGRATIONS as READ_SIDE
from shared.journal import relay, rows, timers
from shared.postgres.migrations import migrate
from shared.postgres.pool import Connection, connect
from tests.stages import LIMITS

JOURNAL = files("shared.journal") / "migrations"


async def plan(connection: Connection, statement: str, given: object) -> str:
    """How Postgres would carry out a statement, by what it knows of empty tables."""
    lines = await connection.fetch(f"EXPLAIN (COSTS OFF) {statement}", given)
    return "\n".join(row[0] for row in lines)


@pytest.mark.parametrize(
    ("migrations", "statement", "given", "tables"),
    [
        (JOURNAL, relay._NEXT, 1_000, ("journal", "outbox")),
        (JOURNAL, rows._LOCK, [uuid4() for _ in range(500)], ("cases",)),
        (JOURNAL, timers._DUE, 200, ("cases",)),
        (READ_SIDE, names._UNREAD, 500, ("names", "status", "timeline")),
    ],
    ids=["relay", "cases", "timers", "names"],
)
async def test_no_table_is_read_from_end_to_end(
    database: str, migrations: object, statement: str, given: object, tables: tuple[str, ...]
) -> None:
    connection = await connect(database, schema="plans", application_name="test", limits=LIMITS)
    try:
        await migrate(connection, migrations, "plans")  # type: ignore[arg-type]
        found = await plan(connection, statement, given)
        for table in tables:
            assert f"Seq Scan on {table}" not in found, found
        # A join of whole tables reads them by their indexes, and no less of them.
        assert "Merge Join" not in found, found
        assert "Hash" not in found, found
    finally:
        await connection.close()
