"""Every fact of every case, as it was told, with what it says in the clear and its sealed block.

The block is never opened here. When a case is erased its blocks are taken out, whatever becomes
of the keys.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple

from services.casebook.admission import CaseFile, Told
from services.casebook.bulk import Row, copied
from shared.events.event import ERASED, Event
from shared.postgres.pool import Connection
from shared.procedures.due import Due

COLUMNS: Final = (
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

_PRIVATE: Final = {"private"}


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Add the facts that were applied, and take sealed blocks out of cases that are erased."""
    rows = [row_of(file, told) for file in files for told in file.told]
    await copied(connection, "timeline", COLUMNS, rows, _INSERT)
    erased = [file.case_id for file in files if file.told and file.standing.erased]
    if erased:
        await connection.execute(_ERASE, erased)


def row_of(file: CaseFile, told: Told) -> Row:
    """The row of one fact."""
    fact, raw = told.fact, told.arrival.raw
    envelope, event = fact.envelope, fact.event
    shape = _shape(type(event))
    due = _due(event, shape)
    return (
        file.case_id,
        envelope.source,
        envelope.sequence,
        told.place,
        envelope.turn,
        envelope.event_id,
        envelope.type,
        fact.entry.kind,
        envelope.actor,
        envelope.time,
        _clause(event, shape),
        due[0],
        due[1],
        due[2],
        event.model_dump_json(exclude=_PRIVATE if shape.private else None, exclude_none=True),
        _sealed(file, event, shape),
        raw.topic,
        raw.partition,
        raw.offset,
    )


class _Shape(NamedTuple):
    """Which of the parts that the timeline shows an event can have: asking costs more."""

    due: bool
    clause: str | None
    private: bool


@cache
def _shape(kind: type[Event]) -> _Shape:
    fields = kind.model_fields
    clause = next((name for name in ("clause", "ground_clause") if name in fields), None)
    return _Shape("due" in fields, clause, "private" in fields)


def _due(event: Event, shape: _Shape) -> tuple[datetime | None, str | None, str | None]:
    due = getattr(event, "due") if shape.due else None  # noqa: B009 -- of many classes
    return (due.at, due.clause, due.rule) if isinstance(due, Due) else (None, None, None)


def _clause(event: Event, shape: _Shape) -> str | None:
    """The clause that the fact itself names: of a rejection, of a refusal's ground."""
    found = getattr(event, shape.clause) if shape.clause is not None else None
    return found if isinstance(found, str) else None


def _sealed(file: CaseFile, event: Event, shape: _Shape) -> str | None:
    private = getattr(event, "private") if shape.private else None  # noqa: B009 -- as above
    if private is None:
        return None
    return ERASED if file.standing.erased else str(private)
