"""Every fact of every case, as it was told, with what it says in the clear and its sealed block.

The block is never opened here. When a case is erased its blocks are taken out, whatever becomes
of the keys.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.casebook.admission import CaseFile, Told
from services.casebook.bulk import Row, copied
from shared.events.event import ERASED, Event
from shared.postgres.pool import Connection
from shared.procedures.due import Due

_COLUMNS: Final = (
    "case_id", "source", "sequence", "place", "turn", "event_id", "type", "kind", "actor",
    "recorded_at", "clause", "due_at", "due_clause", "due_rule", "said", "sealed", "topic",
    "partition", "offset",
)  # fmt: skip
_INSERT: Final = """
INSERT INTO timeline (
    case_id, source, sequence, place, turn, event_id, type, kind, actor, recorded_at, clause,
    due_at, due_clause, due_rule, said, sealed, topic, partition, "offset")
SELECT
    case_id, source, sequence, place, turn, event_id, type, kind, actor, recorded_at, clause,
    due_at, due_clause, due_rule, said, sealed, topic, partition, "offset"
FROM fresh
ON CONFLICT (case_id, source, sequence) DO NOTHING
"""
_ERASE: Final = """
UPDATE timeline SET sealed = 'erased'
WHERE case_id = ANY ($1::uuid[]) AND sealed <> 'erased'
"""


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Add the facts that were applied, and take sealed blocks out of cases that are erased."""
    rows = [_row(file, told) for file in files for told in file.told]
    await copied(connection, "timeline", _COLUMNS, rows, _INSERT)
    erased = [file.case_id for file in files if file.told and file.standing.erased]
    if erased:
        await connection.execute(_ERASE, erased)


def _row(file: CaseFile, told: Told) -> Row:
    fact, raw = told.fact, told.arrival.raw
    envelope, event = fact.envelope, fact.event
    due = _due(event)
    return (
        file.case_id,
        envelope.source.value,
        envelope.sequence,
        told.place,
        envelope.turn,
        envelope.event_id,
        envelope.type,
        fact.entry.kind.value,
        envelope.actor,
        envelope.time,
        _clause(event),
        due[0],
        due[1],
        due[2],
        event.model_dump_json(exclude={"private"}, exclude_none=True),
        _sealed(file, event),
        raw.topic,
        raw.partition,
        raw.offset,
    )


def _due(event: Event) -> tuple[datetime | None, str | None, str | None]:
    due = getattr(event, "due", None)
    return (due.at, due.clause, due.rule.value) if isinstance(due, Due) else (None, None, None)


def _clause(event: Event) -> str | None:
    """The clause that the fact itself names: of a rejection, of a refusal's ground."""
    found = getattr(event, "clause", None) or getattr(event, "ground_clause", None)
    return found if isinstance(found, str) else None


def _sealed(file: CaseFile, event: Event) -> str | None:
    private = getattr(event, "private", None)
    if private is None:
        return None
    return ERASED if file.standing.erased else str(private)
