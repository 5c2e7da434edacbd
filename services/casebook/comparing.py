"""Two folds of the same log, compared row by row: case by case and column by column.

Both are looked at in one snapshot, taken while they stood at the same place of the log; the live
one goes on meanwhile.
"""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from services.casebook.rebuilding import CannotRebuild, Site, level, open_shadow
from services.casebook.schemas import exists
from shared.postgres.pool import Connection
from shared.postgres.schema import checked_schema

KEPT_MAX: Final = 1_000
"""How many differences are kept; beyond it they are only counted."""
_AT_ONCE: Final = 500
_SHOWN_MAX: Final = 120

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("case_id",),
    "timeline": ("case_id", "source", "sequence"),
    "notices": ("case_id", "sequence"),
    "cases": ("case_id",),
    "setbacks": ("case_id", "since"),
    "waiting": ("case_id", "source", "sequence"),
    "parked": ("topic", "partition", "offset"),
    "members": ("staff",),
    "absences": ("sequence",),
    "acting": ("sequence",),
    "offsets": ("topic", "partition"),
}
"""What the log determines, and what a row is known by. Not `names`: its words come from the vault,
beside the fold, and a row goes with the case's key, of which the log need not tell."""
_OF_ITS_OWN: Final = {"offsets": {"log_end", "seen_at", "told_from"}}
"""Columns that each fold writes as it happens to run."""
_NOT_SHOWN: Final = frozenset({"sealed", "headers", "value", "key"})
"""What may hold anything is told apart by its hash."""

_COLUMNS: Final = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position
"""
_DIFFERENT: Final = """
SELECT row_to_json(live)::text AS live, row_to_json(rebuilt)::text AS rebuilt
FROM {live}.{table} AS live FULL JOIN {rebuilt}.{table} AS rebuilt USING ({keys})
WHERE ROW ({mine}) IS DISTINCT FROM ROW ({theirs})
"""
_COUNT: Final = "SELECT count(*) FROM {}.{}"
_NOTE: Final = "UPDATE {}.origin SET compared_at = now(), differences = $1"


@dataclass(frozen=True, slots=True)
class Difference:
    """One column of one row; of a row that only one side has, the row as a whole."""

    table: str
    case_id: str | None
    row: str
    column: str
    live: str | None
    rebuilt: str | None


@dataclass
class Comparison:
    """What was compared, and what was found."""

    rows: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    """Differing rows by table."""
    kept: list[Difference] = field(default_factory=list)
    position: str = ""

    @property
    def total(self) -> int:
        """How many rows differ."""
        return self.counts.total()


async def compare(site: Site) -> Comparison:
    """The live tables against the rebuilt ones, at the same place of the log.

    Raises:
        CannotRebuild: one of them is not there, or they cannot be brought level.
    """
    names, found = site.schemas, Comparison()
    async with _snapshot(site) as connection:
        for table, keys in KEYS.items():
            await _compare_table(connection, site, table, keys, found)
    async with site.connected(names.next) as connection:
        await connection.execute(_NOTE.format(checked_schema(names.next)), found.total)
    return found


@asynccontextmanager
async def _snapshot(site: Site) -> AsyncIterator[Connection]:
    """A transaction that sees both folds at the same place."""
    names = site.schemas
    async with (
        open_shadow(site, names.next) as shadow,
        site.connected(names.live) as folder,
        site.connected(names.live) as reader,
    ):
        if not await exists(folder, names.live):
            raise CannotRebuild(f"there is no schema {names.live} to compare with")
        async with reader.transaction(isolation="repeatable_read", readonly=True):
            async with level(site, folder, shadow, exactly=True):
                await reader.fetchval("SELECT 1")  # the snapshot is of this moment
            yield reader


async def _compare_table(
    connection: Connection, site: Site, table: str, keys: tuple[str, ...], found: Comparison
) -> None:
    names = site.schemas
    columns = await connection.fetch(_COLUMNS, names.next, table)
    chosen = [row for row in columns if row["column_name"] not in _OF_ITS_OWN.get(table, set())]
    query = _DIFFERENT.format(
        live=checked_schema(names.live),
        rebuilt=checked_schema(names.next),
        table=table,
        keys=", ".join(f'"{key}"' for key in keys),
        mine=", ".join(_comparable("live", row) for row in chosen),
        theirs=", ".join(_comparable("rebuilt", row) for row in chosen),
    )
    found.rows[table] = await connection.fetchval(_COUNT.format(checked_schema(names.next), table))
    cursor = await connection.cursor(query)
    while rows := await cursor.fetch(_AT_ONCE):
        for row in rows:
            found.counts[table] += 1
            live, rebuilt = _plain(row["live"]), _plain(row["rebuilt"])
            if len(found.kept) < KEPT_MAX:
                names_of = [each["column_name"] for each in chosen]
                found.kept += _differences(table, keys, names_of, (live, rebuilt))


def _comparable(side: str, column: asyncpg.Record) -> str:
    name = f'{side}."{column["column_name"]}"'
    return f"{name}::text" if column["data_type"] == "json" else name


def _plain(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def _differences(
    table: str,
    keys: tuple[str, ...],
    columns: list[str],
    sides: tuple[dict[str, Any] | None, dict[str, Any] | None],
) -> list[Difference]:
    live, rebuilt = sides
    row = live or rebuilt or {}
    case_id, name = row.get("case_id"), " ".join(str(row[key]) for key in keys)
    if live is None or rebuilt is None:
        shown = (None, "a row") if live is None else ("a row", None)
        return [Difference(table, case_id, name, "(row)", *shown)]
    return [
        Difference(table, case_id, name, each, _shown(each, live), _shown(each, rebuilt))
        for each in columns
        if live[each] != rebuilt[each]
    ]


def _shown(column: str, row: Mapping[str, Any]) -> str | None:
    value = row[column]
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if column in _NOT_SHOWN:
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"
