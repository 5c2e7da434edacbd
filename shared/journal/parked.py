"""The table of records that were set aside, and what an operator does about them (D7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.identifiers import CaseId
from shared.messaging.records import Incoming, headers_in, headers_text
from shared.postgres.pool import Connection

_LOAD: Final = """
SELECT topic, partition, "offset", case_id, headers, data, waits, reason FROM parked
WHERE case_id = ANY($1::uuid[]) ORDER BY topic, partition, "offset"
"""
_SAVE: Final = """
INSERT INTO parked
    (topic, partition, "offset", case_id, event_id, headers, data, waits, reason, parked_at)
SELECT *, now() FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::uuid[], $5::uuid[],
                            $6::text[], $7::bytea[], $8::bool[], $9::text[])
ON CONFLICT DO NOTHING
"""
_DELETE: Final = """
DELETE FROM parked WHERE (topic, partition, "offset") IN
    (SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[]))
"""
_GIVE_UP: Final = """
WITH late AS (
    SELECT case_id FROM cases WHERE waits AND parked IS NULL AND case_id IN (
        SELECT case_id FROM parked
        WHERE waits AND parked_at < now() - make_interval(secs => $1))
    ORDER BY case_id LIMIT 500 FOR UPDATE SKIP LOCKED
)
UPDATE cases SET parked = $2, version = version + 1 FROM late WHERE cases.case_id = late.case_id
"""

GAP_WAIT_S: Final = 60.0
"""How long a case may wait for a missing record before it is set aside for an operator."""


@dataclass(frozen=True)
class ParkedRow:
    """A record that waits for its turn, or for an operator."""

    record: Incoming
    waits: bool
    reason: str


async def load_parked(
    connection: Connection, case_ids: Sequence[CaseId]
) -> dict[CaseId, list[ParkedRow]]:
    """What stands aside of these cases, in the order of the log."""
    found: dict[CaseId, list[ParkedRow]] = {}
    if not case_ids:
        return found
    for row in await connection.fetch(_LOAD, case_ids):
        record = Incoming(
            row["topic"],
            row["partition"],
            row["offset"],
            str(row["case_id"]).encode(),
            headers_in(row["headers"]),
            row["data"],
        )
        found.setdefault(row["case_id"], []).append(ParkedRow(record, row["waits"], row["reason"]))
    return found


async def save_parked(connection: Connection, rows: Sequence[ParkedRow]) -> None:
    """Keep records that were set aside, exactly as they came."""
    if not rows:
        return
    await connection.execute(
        _SAVE,
        [row.record.topic for row in rows],
        [row.record.partition for row in rows],
        [row.record.offset for row in rows],
        [row.record.case_id for row in rows],
        [row.record.event_id for row in rows],
        [headers_text(row.record.headers) for row in rows],
        [row.record.data for row in rows],
        [row.waits for row in rows],
        [row.reason for row in rows],
    )


async def delete_parked(connection: Connection, rows: Sequence[ParkedRow]) -> None:
    """Forget records that were read after all, or that an operator decided to go on without."""
    if not rows:
        return
    await connection.execute(
        _DELETE,
        [row.record.topic for row in rows],
        [row.record.partition for row in rows],
        [row.record.offset for row in rows],
    )


async def give_up_waiting(connection: Connection, wait_s: float = GAP_WAIT_S) -> int:
    """Set aside the cases that have waited too long for a missing record; how many."""
    done = await connection.execute(_GIVE_UP, wait_s, "a record of the log is missing")
    return int(done.rpartition(" ")[2])
