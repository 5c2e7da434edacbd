"""All listed tables as D1 compares them: without journal positions and without log times."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from deploy.local.environment import STAGES, LocalEnvironment

Rows = Counter[tuple[tuple[str, Any], ...]]
Snapshot = Mapping[str, Rows]
"""By `schema.table`, its rows, each as pairs of column and value."""

_STAGE: Final = {
    "journal": "SELECT * FROM {0}.journal",
    "outbox": "SELECT case_id, sequence FROM {0}.outbox JOIN {0}.journal USING (position)",
    "published": (
        'SELECT case_id, sequence, partition, "offset" '
        "FROM {0}.published JOIN {0}.journal USING (position)"
    ),
    "cases": "SELECT * FROM {0}.cases",
    "offsets": "SELECT * FROM {0}.offsets",
    "parked": "SELECT * FROM {0}.parked",
    "errands": "SELECT * FROM {0}.errands",
    "requests": "SELECT * FROM {0}.requests",
}
_CASEBOOK: Final = (
    "offsets",
    "cases",
    "waiting",
    "parked",
    "status",
    "timeline",
    "members",
    "absences",
    "acting",
)
_TIMES: Final = {
    "position",
    "version",
    "parked_at",
    "next_at",
    "last_logged_at",
    "logged_at",
    "seen_at",
}
_PLACES: Final = {
    "partition", "offset", "effective", "parked_since", "next", "last_event_id", "last_case",
    "last_source",
}  # fmt: skip
_OF_THESE_TABLES: Final = {"log_end", "told_from"}
"""How far their reader has looked, and from where they tell changes: a rebuild begins its own."""
_SHOWN_MAX: Final = 3


async def snapshot(environment: LocalEnvironment, *, places: bool = True) -> Snapshot:
    """Of all stages and casebook. `places`: also where in the log things are."""
    queries = {
        f"{stage}.{table}": query.format(stage)
        for stage in STAGES
        for table, query in _STAGE.items()
    }
    queries |= {f"casebook.{table}": f"SELECT * FROM casebook.{table}" for table in _CASEBOOK}
    hidden = _TIMES | _OF_THESE_TABLES | (set() if places else _PLACES)
    connection = await asyncpg.connect(environment.database_url, timeout=30)
    try:
        return {
            name: Counter(_row(row, hidden) for row in await connection.fetch(query))
            for name, query in queries.items()
            if places or not name.endswith(".offsets")
        }
    finally:
        await connection.close()


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What is not equal, in words."""
    found = []
    for name in before:
        lost, new = before[name] - after[name], after[name] - before[name]
        if lost or new:
            found.append(f"{name}: {lost.total()} rows lost, {new.total()} rows new")
            pairs = zip(sorted(lost, key=repr), sorted(new, key=repr), strict=False)
            for old, other in list(pairs)[:_SHOWN_MAX]:
                changed = [
                    f"{column} was {was!s:.300} and is {now!s:.300}"
                    for (column, was), (_, now) in zip(old, other, strict=True)
                    if was != now
                ]
                found.append("    " + "; ".join(changed))
    return found


def _row(row: asyncpg.Record, hidden: set[str]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (column, tuple(value) if isinstance(value, list) else value)
        for column, value in row.items()
        if column not in hidden
    )
