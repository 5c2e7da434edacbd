"""What stands in a stage's tables, in a form by which two of them can be compared (D1).

Equal are two stages whose tables hold the same after everything is quiet; positions in the journal
and the times at which this database did something are its own and do not count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.postgres.pool import Pool

Tables = Mapping[str, Sequence[tuple[Any, ...]]]

_COMPARED: Final = {
    "journal": """
        SELECT case_id, sequence, event_id, event_type, attributes, data, hash, recorded_at
        FROM journal ORDER BY case_id, sequence""",
    "outbox": """
        SELECT case_id, sequence FROM outbox JOIN journal USING (position)
        ORDER BY case_id, sequence""",
    "published": """
        SELECT case_id, sequence, partition, "offset" FROM published JOIN journal USING (position)
        ORDER BY case_id, sequence""",
    "cases": """
        SELECT case_id, seen, state, head, claim, parked, waits, due FROM cases
        ORDER BY case_id""",
    "offsets": """
        SELECT topic, partition, next, last_event_id FROM offsets ORDER BY topic, partition""",
    "parked": """
        SELECT topic, partition, "offset", case_id, event_id, headers, data, waits, reason
        FROM parked ORDER BY topic, partition, "offset" """,
    "errands": "SELECT event_id, kind, case_id FROM errands ORDER BY event_id, kind",
    "requests": "SELECT key, request, case_id, sequence FROM requests ORDER BY key",
}


async def tables_of(pool: Pool) -> Tables:
    """All of a stage's tables."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        return {
            name: [tuple(row) for row in await connection.fetch(query)]
            for name, query in _COMPARED.items()
        }


def tables_equal(before: Tables, after: Tables) -> None:
    """Fails with the first rows that differ, by table, and in what they differ."""
    found = []
    for name in _COMPARED:
        lost = [row for row in before[name] if row not in after[name]]
        new = [row for row in after[name] if row not in before[name]]
        if lost or new:
            found.append(f"{name}: {len(lost)} lost, {len(new)} new")
            found += _differences(lost, new)
        elif len(before[name]) != len(after[name]):
            found.append(f"{name}: {len(before[name])} rows, then {len(after[name])}")
    assert not found, "\n".join(found)


def _differences(lost: Sequence[tuple[Any, ...]], new: Sequence[tuple[Any, ...]]) -> list[str]:
    if not lost or not new:
        return [f"  {row!r:.700}" for row in (*lost[:1], *new[:1])]
    pairs = zip(lost[0], new[0], strict=True)
    return [f"  {old!r:.300}\n  {now!r:.300}" for old, now in pairs if old != now]
