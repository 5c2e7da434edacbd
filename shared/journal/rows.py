"""The rows of a stage's tables, and the SQL that loads and writes them.

All writes are bulk statements over arrays: one round trip for a batch, whatever its size (D6).
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NewType
from uuid import UUID

import asyncpg

from shared.decider import Decider, Errand
from shared.errors import Conflict
from shared.events.envelope import GENESIS
from shared.identifiers import CaseId, Source
from shared.messaging.reading import last_sequence, read_seen, written_seen
from shared.postgres.pool import Connection
from shared.state import State

Position = NewType("Position", int)
"""A place in one stage's journal; only ever compared within it."""

AnyDecider = Decider[Any, Any]
DeciderOf = Callable[[CaseId], AnyDecider]


@dataclass(slots=True)
class CaseRow:
    """One case of a transaction. Changed in memory by a `Work`, written back once."""

    case_id: CaseId
    decider: AnyDecider
    """Whose case it is: the stage's, or the department's."""
    state: State
    seen: dict[str, str]
    head: str = GENESIS
    claim: str | None = None
    parked: str | None = None
    waits: bool = False
    version: int = 0
    """Which writing of the row this is; 0 where there is none yet."""

    def sequence(self, source: Source) -> int:
        """The last sequence of `source` that this stage has applied."""
        return last_sequence(self.seen, source)


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An event as it is recorded, ready to be published byte by byte."""

    case_id: CaseId
    sequence: int
    event_id: UUID
    type: str
    attributes: str
    data: str
    hash: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A client's request that was answered with events, by its key (D2)."""

    key: str
    request: str
    case_id: CaseId
    sequence: int


_READ: Final = """
SELECT case_id, seen, state, head, claim, parked, waits, version FROM cases
WHERE case_id = ANY($1::uuid[])
"""
_LOCK: Final = f"{_READ} ORDER BY case_id FOR UPDATE"
_RECORD: Final = """
WITH told AS (
    INSERT INTO journal
        (case_id, sequence, event_id, event_type, attributes, data, hash, recorded_at)
    SELECT told.case_id, told.sequence, told.event_id, told.event_type,
           told.attributes, told.data, told.hash, told.recorded_at
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::timestamptz[]) WITH ORDINALITY
         AS told (case_id, sequence, event_id, event_type, attributes, data, hash, recorded_at, n)
    ORDER BY told.n
    RETURNING position, case_id, sequence, recorded_at
), waiting AS (
    INSERT INTO outbox (position, recorded_at) SELECT position, recorded_at FROM told
)
SELECT position, case_id, sequence FROM told
"""
_ADD: Final = """
INSERT INTO cases (case_id, seen, state, head, claim, parked, waits, due, version)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::bool[], $8::timestamptz[], $9::int[])
"""
# An upsert would lock each row first, which is one more record of Postgres's log.
_SAVE: Final = """
UPDATE cases SET seen = fresh.seen, state = fresh.state, head = fresh.head, claim = fresh.claim,
    parked = fresh.parked, waits = fresh.waits, due = fresh.due, version = fresh.version
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[],
            $8::timestamptz[], $9::int[])
     AS fresh (case_id, seen, state, head, claim, parked, waits, due, version)
WHERE cases.case_id = fresh.case_id AND cases.version = fresh.version - 1
"""
_ERRANDS: Final = """
INSERT INTO errands (event_id, kind, case_id, next_at)
SELECT *, now() FROM unnest($1::uuid[], $2::text[], $3::uuid[]) ON CONFLICT DO NOTHING
"""
_REQUESTS: Final = """
INSERT INTO requests (key, request, case_id, sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int[])
ON CONFLICT (key) DO UPDATE SET sequence = greatest(requests.sequence, excluded.sequence)
"""


_IN_ORDER: Final = attrgetter("int")
"""UUIDs in their order, without asking Python's own comparison."""


def lock_class(name: str) -> int:
    """The number by which Postgres knows an advisory lock of ours: stable, positive, 31 bits."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


async def lock_cases(
    connection: Connection, case_ids: Iterable[CaseId], decider_of: DeciderOf
) -> dict[CaseId, CaseRow]:
    """The rows of these cases under lock, taken in key order; a blank row where there is none."""
    return await _cases(connection, _LOCK, case_ids, decider_of)


async def read_cases(
    connection: Connection, case_ids: Iterable[CaseId], decider_of: DeciderOf
) -> dict[CaseId, CaseRow]:
    """The same without lock: whoever writes them back may find that somebody else did before."""
    return await _cases(connection, _READ, case_ids, decider_of)


async def _cases(
    connection: Connection, query: str, case_ids: Iterable[CaseId], decider_of: DeciderOf
) -> dict[CaseId, CaseRow]:
    wanted = {case_id: case_id for case_id in case_ids}  # our own ids: found without comparing
    rows: dict[CaseId, CaseRow] = {}
    if not wanted:
        return rows
    for row in await connection.fetch(query, sorted(wanted, key=_IN_ORDER)):
        case_id = wanted[row["case_id"]]
        decider = decider_of(case_id)
        rows[case_id] = CaseRow(
            case_id=case_id,
            decider=decider,
            state=decider.state.read(row["state"]),
            seen=read_seen(row["seen"]),
            head=row["head"],
            claim=row["claim"],
            parked=row["parked"],
            waits=row["waits"],
            version=row["version"],
        )
    for case_id in wanted:
        if case_id not in rows:
            decider = decider_of(case_id)
            rows[case_id] = CaseRow(case_id, decider, decider.state(), {})
    return rows


async def record(
    connection: Connection, rows: Sequence[JournalRow]
) -> dict[tuple[CaseId, int], Position]:
    """Append to the journal and the outbox; the position of each (case, sequence).

    Raises asyncpg.UniqueViolationError when somebody else took one of the places.
    """
    if not rows:
        return {}
    found = await connection.fetch(
        _RECORD,
        [row.case_id for row in rows],
        [row.sequence for row in rows],
        [row.event_id for row in rows],
        [row.type for row in rows],
        [row.attributes for row in rows],
        [row.data for row in rows],
        [row.hash for row in rows],
        [row.recorded_at for row in rows],
    )
    return {(row["case_id"], row["sequence"]): Position(row["position"]) for row in found}


async def save_cases(connection: Connection, rows: Sequence[CaseRow]) -> None:
    """Write the cases back, in key order, each over the version that it was read as.

    Raises Conflict when somebody else wrote one of them meanwhile; then nothing may be committed.
    """
    ordered = sorted(rows, key=attrgetter("case_id.int"))
    for statement, some in (
        (_ADD, [row for row in ordered if not row.version]),
        (_SAVE, [row for row in ordered if row.version]),
    ):
        if not some:
            continue
        for row in some:
            row.version += 1
        try:
            done = await connection.execute(statement, *_columns(some))
        except asyncpg.UniqueViolationError:
            raise Conflict("somebody else added a case of this batch") from None
        if int(done.rpartition(" ")[2]) != len(some):
            raise Conflict("somebody else wrote to a case of this batch")


def _columns(rows: Sequence[CaseRow]) -> tuple[list[Any], ...]:
    return (
        [row.case_id for row in rows],
        [written_seen(row.seen) for row in rows],
        [row.state.written() for row in rows],
        [row.head for row in rows],
        [row.claim for row in rows],
        [row.parked for row in rows],
        [row.waits for row in rows],
        [row.decider.due(row.state) for row in rows],
        [row.version for row in rows],
    )


async def save_errands(connection: Connection, errands: Sequence[Errand]) -> None:
    """Note errands; one that is noted already stays as it is."""
    if errands:
        await connection.execute(
            _ERRANDS,
            [errand.event_id for errand in errands],
            [errand.kind for errand in errands],
            [errand.case_id for errand in errands],
        )


async def save_requests(connection: Connection, requests: Sequence[RequestRow]) -> None:
    """Note which requests were answered with events: by each the last of them."""
    if requests:
        requests = list({request.key: request for request in requests}.values())
        await connection.execute(
            _REQUESTS,
            [request.key for request in requests],
            [request.request for request in requests],
            [request.case_id for request in requests],
            [request.sequence for request in requests],
        )
