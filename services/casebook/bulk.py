"""Many rows into one table in one go: new ones by COPY; over older ones by COPY into a session's
own table, then one statement.

Arrays as parameters cost the client about twice as much for each value.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from shared.postgres.pool import Connection

Row = tuple[object, ...]
NULL: Final = r"\N"
"""How a line for COPY says that there is nothing."""
_PIECE_LINES: Final = 1_000

# Empty between transactions; the types are those of the table that the rows are for.
_PREPARE: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS fresh_{table} (LIKE {table}) ON COMMIT DELETE ROWS
"""
_TAKE: Final = "WITH fresh AS (DELETE FROM pg_temp.fresh_{table} RETURNING *)"


async def copied(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    statement: str,
) -> None:
    """Run a statement that reads the rows as `fresh`. Within a transaction only."""
    if not rows:
        return
    await connection.execute(_PREPARE.format(table=table))
    await connection.copy_records_to_table(
        f"fresh_{table}", schema_name="pg_temp", columns=list(columns), records=rows
    )
    await connection.execute(_TAKE.format(table=table) + statement)


async def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """Rows that are new: straight into the table, many to a page of it and to a log record."""
    if rows:
        await connection.copy_records_to_table(table, columns=list(columns), records=rows)


async def copy_lines(
    connection: Connection, table: str, columns: Sequence[str], lines: Sequence[str]
) -> None:
    """Lines of text, each ended, into a table: a third of the client's price of typed values."""
    if lines:
        await connection.copy_to_table(
            table, columns=list(columns), source=_pieces(lines), format="text"
        )


async def _pieces(lines: Sequence[str]) -> AsyncIterator[bytes]:
    """Not as a file: the driver reads one in threads, and leaves cycles that hold all of it."""
    for first in range(0, len(lines), _PIECE_LINES):
        yield "".join(lines[first : first + _PIECE_LINES]).encode()
