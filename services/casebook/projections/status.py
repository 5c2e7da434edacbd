"""Where each case stands: one row a case, written anew whenever it changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.casebook.admission import CaseFile
from services.casebook.bulk import NULL, Columns, Row, array_in, copied, copy_lines, row_in, truth
from services.casebook.standing import Standing, now_of
from shared.identifiers import CaseId
from shared.postgres.pool import Connection

COLUMNS: Final[Columns] = {
    "case_id": UUID, "registration_number": str, "applicant": UUID, "procedure": str,
    "edition": str, "office": str, "channel": str, "result_kind": str, "synthetic": truth,
    "stage": str, "step": str, "by_rule": truth, "turn": int, "path": array_in, "state": str,
    "executor": str, "due_at": datetime.fromisoformat, "due_clause": str, "due_rule": str,
    "whole_due_at": datetime.fromisoformat, "overdue": truth, "withdrawal_requested": truth,
    "erased": truth, "outcome": str, "result_number": str, "lodged_at": datetime.fromisoformat,
    "registered_at": datetime.fromisoformat, "ended_at": datetime.fromisoformat,
    "partition": int, "offset": int, "effective": int,
}  # fmt: skip
# An upsert would lock each row first, which is one more record of Postgres's log.
_UPDATE: Final = """
UPDATE status SET
    registration_number = fresh.registration_number, stage = fresh.stage, step = fresh.step,
    by_rule = fresh.by_rule, turn = fresh.turn, path = fresh.path, state = fresh.state,
    executor = fresh.executor, due_at = fresh.due_at, due_clause = fresh.due_clause,
    due_rule = fresh.due_rule, whole_due_at = fresh.whole_due_at, overdue = fresh.overdue,
    withdrawal_requested = fresh.withdrawal_requested, erased = fresh.erased,
    outcome = fresh.outcome, result_number = fresh.result_number,
    registered_at = fresh.registered_at, ended_at = fresh.ended_at,
    "offset" = fresh."offset", effective = fresh.effective
FROM fresh WHERE status.case_id = fresh.case_id
"""


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Write the rows of the cases to which facts were added, in key order: those of new cases
    beside the others, those of the others over what they were."""
    before, fresh = list[str](), list[str]()
    for file in files:
        if (line := line_of(file)) is not None:
            (before if file.listed else fresh).append(line)
    columns = list(COLUMNS)
    await copied(connection, "status", columns, before, _UPDATE)
    await copy_lines(connection, "status", columns, fresh)


def row_of(file: CaseFile) -> Row | None:
    """The row of a case; None while its application is not read."""
    return None if (line := line_of(file)) is None else row_in(line, COLUMNS)


def line_of(file: CaseFile) -> str | None:
    """The same as a line for COPY."""
    if file.stands is None:
        return None
    return line_with(file.case_id, file.standing, file.stands)


def line_with(case_id: CaseId, standing: Standing, place: tuple[int, int, int]) -> str | None:
    """The same of a case whose last fact stands at a partition, an offset, and took effect with
    the record at another offset. No word of it can hold a sign that COPY escapes."""
    lodged = standing.lodged
    if lodged is None:
        return None
    now = now_of(standing)
    sets, step, ending = now.sets, now.step, now.ending
    due = sets if ending is None else {}
    partition, offset, effective = place
    return (
        f"{case_id}\t{sets.get('registration_number') or NULL}\t{lodged['applicant']}\t"
        f"{lodged['procedure']}\t{lodged['edition']}\t{lodged['office']}\t{lodged['channel']}\t"
        f"{lodged['result_kind']}\t{_truth(lodged['synthetic'])}\t{now.stage}\t{step or NULL}\t"
        f"{_truth(step in str(lodged['by_rule']).split())}\t{len(now.path) - 1}\t"
        f"{{{','.join(now.path)}}}\t{now.state}\t{sets.get('executor') or NULL}\t"
        f"{due.get('due_at') or NULL}\t{due.get('due_clause') or NULL}\t"
        f"{due.get('due_rule') or NULL}\t{sets.get('whole_due_at') or NULL}\t"
        f"{_truth(sets.get('overdue'))}\t{_truth(standing.open_request)}\t"
        f"{_truth(standing.erased)}\t{sets.get('outcome') or NULL}\t"
        f"{sets.get('result_number') or NULL}\t{sets.get('lodged_at') or NULL}\t"
        f"{sets.get('registered_at') or NULL}\t{sets.get('ended_at') or NULL}\t"
        f"{partition}\t{offset}\t{effective}\n"
    )


def row_with(case_id: CaseId, standing: Standing, place: tuple[int, int, int]) -> Row | None:
    """The same as a row."""
    line = line_with(case_id, standing, place)
    return None if line is None else row_in(line, COLUMNS)


def _truth(value: object) -> str:
    return "t" if value else "f"
