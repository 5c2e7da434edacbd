"""Where each case stands: one row a case, written anew whenever it changes."""

from collections.abc import Sequence
from typing import Final

from services.casebook.admission import CaseFile
from services.casebook.bulk import Row, copied, copy_rows
from services.casebook.standing import Standing, now_of
from shared.identifiers import CaseId
from shared.postgres.pool import Connection

COLUMNS: Final = (
    "case_id", "registration_number", "applicant", "procedure", "edition", "office", "channel",
    "result_kind", "synthetic", "stage", "step", "by_rule", "turn", "path", "state", "executor",
    "due_at", "due_clause", "due_rule", "whole_due_at", "overdue", "withdrawal_requested",
    "erased", "outcome", "result_number", "lodged_at", "registered_at", "ended_at", "partition",
    "offset", "effective",
)  # fmt: skip
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
    before, fresh = list[CaseFile](), list[CaseFile]()
    for file in files:
        (before if file.listed else fresh).append(file)
    await copied(connection, "status", COLUMNS, rows_of(before), _UPDATE)
    await copy_rows(connection, "status", COLUMNS, rows_of(fresh))


def rows_of(files: Sequence[CaseFile]) -> list[Row]:
    """The rows of those of these cases that have one."""
    return [row for file in files if (row := row_of(file)) is not None]


def row_of(file: CaseFile) -> Row | None:
    """The row of a case; None while its application is not read."""
    if file.stands is None:
        return None
    return row_with(file.case_id, file.standing, file.stands)


def row_with(case_id: CaseId, standing: Standing, place: tuple[int, int, int]) -> Row | None:
    """The same of a case whose last fact stands at a partition, an offset, and took effect with
    the record at another offset."""
    lodged = standing.lodged
    if lodged is None:
        return None
    now = now_of(standing)
    sets, step = now.sets, now.step
    ended = now.ending is not None
    return (
        case_id,
        sets.get("registration_number"),
        lodged["applicant"],
        lodged["procedure"],
        lodged["edition"],
        lodged["office"],
        lodged["channel"],
        lodged["result_kind"],
        lodged["synthetic"],
        now.stage,
        step,
        step in str(lodged["by_rule"]).split(),
        len(now.path) - 1,
        now.path,
        now.state,
        sets.get("executor"),
        None if ended else now.at("due_at"),
        None if ended else sets.get("due_clause"),
        None if ended else sets.get("due_rule"),
        now.at("whole_due_at"),
        sets.get("overdue", False),
        standing.open_request,
        standing.erased,
        sets.get("outcome"),
        sets.get("result_number"),
        now.at("lodged_at"),
        now.at("registered_at"),
        now.at("ended_at"),
        *place,
    )
