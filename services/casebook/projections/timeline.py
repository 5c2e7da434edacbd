"""Every fact of every case, as it was told, with what it says in the clear and its sealed block.

The block is never opened here. When a case is erased its blocks are taken out, whatever becomes
of the keys.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

from services.casebook.admission import CaseFile, Told
from services.casebook.bulk import NULL, Columns, Row, copy_lines, escaped, row_in, unescaped
from shared.events.attributes import ACTOR, CASE, EVENT, SEQUENCE, SOURCE, TIME, TURN, TYPE
from shared.events.event import ERASED, Event, Kind
from shared.events.spelling import Words, paths_of, picking
from shared.postgres.pool import Connection

COLUMNS: Final[Columns] = {
    "case_id": UUID, "source": str, "sequence": int, "place": int, "turn": int, "event_id": UUID,
    "type": str, "kind": str, "actor": str, "recorded_at": datetime.fromisoformat, "clause": str,
    "due_at": datetime.fromisoformat, "due_clause": str, "due_rule": str, "said": unescaped,
    "sealed": str, "topic": str, "partition": int, "offset": int, "effective": int,
}  # fmt: skip
_ERASE: Final = """
UPDATE timeline SET sealed = 'erased'
WHERE case_id = ANY ($1::uuid[]) AND sealed <> 'erased'
"""


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Add the facts that were applied, and take sealed blocks out of cases that are erased."""
    await add(connection, [line_of(file, told) for file in files for told in file.told])
    await erase(connection, files)


async def add(connection: Connection, lines: Sequence[str]) -> None:
    """These facts, as lines for COPY."""
    await copy_lines(connection, "timeline", list(COLUMNS), lines)


async def erase(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Take the sealed blocks out of those of these cases that are erased."""
    erased = [file.case_id for file in files if file.stands and file.standing.erased]
    if erased:
        await connection.execute(_ERASE, erased)


def line_of(file: CaseFile, told: Told) -> str:
    """A fact as a line for COPY: nothing is made of its words but text again."""
    fact, raw = told.fact, told.arrival.raw
    heading, (clause, due_at, due_clause, due_rule, said, sealed) = fact.heading, _shown(file, told)
    # Only what is said can hold a sign that COPY escapes: JSON has a backslash of its own.
    return (
        f"{heading[CASE]}\t{heading[SOURCE]}\t{heading[SEQUENCE]}\t{told.place}\t"
        f"{heading[TURN]}\t{heading[EVENT]}\t{heading[TYPE]}\t{_KINDS[fact.entry.kind]}\t"
        f"{heading[ACTOR]}\t{heading[TIME]}\t{clause or NULL}\t{due_at or NULL}\t"
        f"{due_clause or NULL}\t{due_rule or NULL}\t{escaped(said)}\t{sealed or NULL}\t"
        f"{raw.topic}\t{raw.partition}\t{raw.offset}\t{told.effective}\n"
    )


def row_of(file: CaseFile, told: Told) -> Row:
    """The same as a row of the table."""
    return row_in(line_of(file, told), COLUMNS)


_Shown = tuple[str | None, str | None, str | None, str | None, str, str | None]
"""Of an event: a clause; a due's time, clause and rule; what it says in the clear, and sealed."""


class _Shape(NamedTuple):
    """Which of the parts that the timeline shows an event can have, and where its words stand."""

    clause: int | None
    due: Callable[[Words], Words] | None
    private: int | None


@cache
def _shape(kind: type[Event]) -> _Shape:
    paths = paths_of(kind)
    clause = next(
        (paths.index(name) for name in ("clause", "ground_clause") if name in paths), None
    )
    due = picking(kind, "due.at", "due.clause", "due.rule") if "due.at" in paths else None
    return _Shape(clause, due, paths.index("private") if "private" in paths else None)


_KINDS: Final = {kind: kind.value for kind in Kind}
_NO_DUE: Final = (None, None, None)


def _shown(file: CaseFile, told: Told) -> _Shown:
    fact = told.fact
    words, said = fact.words, fact.value.decode()
    clause, due, private = _shape(fact.entry.model)
    sealed = words[private] if private is not None else None
    if sealed is not None:
        said = said.replace(f',"private":"{sealed}"', "", 1)
        sealed = ERASED if file.standing.erased else sealed
    at, due_clause, rule = due(words) if due is not None else _NO_DUE
    return words[clause] if clause is not None else None, at, due_clause, rule, said, sealed
