"""Many rows into one table in one go: new ones by COPY; over older ones by COPY into a session's
own table, then one statement.

Rows travel as lines of text. COPY of typed values costs the client about three times as much for
each value, arrays as parameters twice that again.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from shared.postgres.pool import Connection

Row = tuple[object, ...]
Columns = Mapping[str, Callable[[str], object]]
"""The columns of a table in the order of its lines, and how their texts are read."""
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
    lines: Sequence[str],
    statement: str,
) -> None:
    """Run a statement that reads the lines as `fresh`. Within a transaction only."""
    if not lines:
        return
    await connection.execute(_PREPARE.format(table=table))
    await connection.copy_to_table(
        f"fresh_{table}",
        schema_name="pg_temp",
        columns=list(columns),
        source=_pieces(lines),
        format="text",
    )
    await connection.execute(_TAKE.format(table=table) + statement)


async def copy_lines(
    connection: Connection, table: str, columns: Sequence[str], lines: Sequence[str]
) -> None:
    """Rows that are new: straight into the table, many to a page of it and to a log record."""
    if lines:
        await connection.copy_to_table(
            table, columns=list(columns), source=_pieces(lines), format="text"
        )


def escaped(text: str) -> str:
    """A text that may hold a backslash, and no other sign that a line has a use for."""
    return text.replace("\\", "\\\\") if "\\" in text else text


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return text.replace("\\\\", "\\") if "\\" in text else text


def row_in(line: str, columns: Columns) -> Row:
    """The row that Postgres makes of a line, as its driver gives it."""
    texts = line[:-1].split("\t")
    return tuple(
        None if text == NULL else read(text)
        for read, text in zip(columns.values(), texts, strict=True)
    )


def truth(text: str) -> bool:
    """How a truth is read."""
    return text == "t"


def array_in(text: str) -> list[str]:
    """How an array of plain words is read."""
    return text[1:-1].split(",")


async def _pieces(lines: Sequence[str]) -> AsyncIterator[bytes]:
    """Not as a file: the driver reads one in threads, and leaves cycles that hold all of it."""
    for first in range(0, len(lines), _PIECE_LINES):
        yield "".join(lines[first : first + _PIECE_LINES]).encode()
