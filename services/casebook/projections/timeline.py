"""Every fact of every case, as it was told, with what it says in the clear and its sealed block.

The block is never opened here. When a case is erased its blocks are taken out, whatever becomes
of the keys.
"""

import re
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
    "partition", "offset", "effective",
)  # fmt: skip
_INSERT: Final = """
INSERT INTO timeline (
    case_id, source, sequence, place, turn, event_id, type, kind, actor, recorded_at, clause,
    due_at, due_clause, due_rule, said, sealed, topic, partition, "offset", effective)
SELECT
    case_id, source, sequence, place, turn, event_id, type, kind, actor, recorded_at, clause,
    due_at, due_clause, due_rule, said, sealed, topic, partition, "offset", effective
FROM fresh
ON CONFLICT (case_id, source, sequence) DO NOTHING
"""
_ERASE: Final = """
UPDATE timeline SET sealed = 'erased'
WHERE case_id = ANY ($1::uuid[]) AND sealed <> 'erased'
"""

_PRIVATE: Final = {"private"}
_PRIVATE_NAME: Final = b'"private"'
_PRIVATE_LAST: Final = b',"private":"'
_SEALED_TO_THE_END: Final = re.compile(rb'[A-Za-z0-9._\-]+"}')


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Add the facts that were applied, and take sealed blocks out of cases that are erased."""
    rows = [row_of(file, told) for file in files for told in file.told]
    await copied(connection, "timeline", COLUMNS, rows, _INSERT)
    await erase(connection, files)


async def erase(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Take the sealed blocks out of those of these cases that are erased."""
    erased = [file.case_id for file in files if file.stands and file.standing.erased]
    if erased:
        await connection.execute(_ERASE, erased)


def row_of(file: CaseFile, told: Told) -> Row:
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
        _said(told, shape),
        _sealed(file, event, shape),
        raw.topic,
        raw.partition,
        raw.offset,
        told.effective,
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


def _said(told: Told, shape: _Shape) -> str:
    """The event without its private part: as it came, if it was written as we write today."""
    value = told.arrival.raw.value or b""
    if not shape.private:
        head, tail = value[:-1], value[-1:]
    else:
        head, _, tail = value.rpartition(_PRIVATE_LAST)
        tail = tail[-1:] if _SEALED_TO_THE_END.fullmatch(tail) else b""
    fact = told.fact
    is_as_told = fact.envelope.type == fact.entry.type and _PRIVATE_NAME not in head
    if tail == b"}" and is_as_told:
        return f"{head.decode()}}}"
    private = _PRIVATE if shape.private else None
    return fact.event.model_dump_json(exclude=private, exclude_none=True)


def _sealed(file: CaseFile, event: Event, shape: _Shape) -> str | None:
    private = getattr(event, "private") if shape.private else None  # noqa: B009 -- as above
    if private is None:
        return None
    return ERASED if file.standing.erased else str(private)
