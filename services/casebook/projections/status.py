"""Where each case stands: one row a case, written anew whenever it changes."""

from collections.abc import Sequence
from typing import Final

from services.casebook.admission import CaseFile
from services.casebook.standing import now_of
from shared.identifiers import DEPARTMENT
from shared.postgres.pool import Connection

_UPSERT: Final = """
INSERT INTO status (
    case_id, registration_number, applicant, procedure, edition, office, channel, result_kind,
    synthetic, stage, step, by_rule, turn, path, state, executor, due_at, due_clause, due_rule,
    whole_due_at, overdue, withdrawal_requested, erased, outcome, result_number, lodged_at,
    registered_at, ended_at, partition, "offset")
SELECT
    case_id, registration_number, applicant, procedure, edition, office, channel, result_kind,
    synthetic, stage, step, by_rule, turn, string_to_array(path, ' '), state, executor, due_at,
    due_clause, due_rule, whole_due_at, overdue, withdrawal_requested, erased, outcome,
    result_number, lodged_at, registered_at, ended_at, partition, "offset"
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::bool[], $10::text[], $11::text[], $12::bool[], $13::int[], $14::text[],
    $15::text[], $16::text[], $17::timestamptz[], $18::text[], $19::text[], $20::timestamptz[],
    $21::bool[], $22::bool[], $23::bool[], $24::text[], $25::text[], $26::timestamptz[],
    $27::timestamptz[], $28::timestamptz[], $29::smallint[], $30::bigint[]
) AS fresh (
    case_id, registration_number, applicant, procedure, edition, office, channel, result_kind,
    synthetic, stage, step, by_rule, turn, path, state, executor, due_at, due_clause, due_rule,
    whole_due_at, overdue, withdrawal_requested, erased, outcome, result_number, lodged_at,
    registered_at, ended_at, partition, "offset")
ON CONFLICT (case_id) DO UPDATE SET
    registration_number = excluded.registration_number, stage = excluded.stage,
    step = excluded.step, by_rule = excluded.by_rule, turn = excluded.turn,
    path = excluded.path, state = excluded.state, executor = excluded.executor,
    due_at = excluded.due_at, due_clause = excluded.due_clause, due_rule = excluded.due_rule,
    whole_due_at = excluded.whole_due_at, overdue = excluded.overdue,
    withdrawal_requested = excluded.withdrawal_requested, erased = excluded.erased,
    outcome = excluded.outcome, result_number = excluded.result_number,
    registered_at = excluded.registered_at, ended_at = excluded.ended_at,
    "offset" = excluded."offset"
"""

Row = tuple[object, ...]


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Write the rows of the cases to which facts were added, in key order."""
    rows = [row for file in files if file.told and (row := row_of(file)) is not None]
    if rows:
        await connection.execute(_UPSERT, *zip(*rows, strict=True))


def row_of(file: CaseFile) -> Row | None:
    """The row of a case; None while its application is not read."""
    now = now_of(file.standing)
    course = file.standing.course
    if now is None or course.lodged is None or file.case_id == DEPARTMENT:
        return None
    lodged, due, last = course.lodged, now.due, file.told[-1].arrival.raw
    step = now.step
    return (
        file.case_id,
        now.registration_number,
        lodged.applicant,
        lodged.procedure,
        lodged.edition,
        lodged.office,
        lodged.channel.value,
        lodged.result_kind,
        lodged.synthetic,
        now.stage.value,
        step,
        step in lodged.by_rule,
        now.turn,
        " ".join(now.path),
        now.state,
        now.executor,
        due.at if due is not None else None,
        due.clause if due is not None else None,
        due.rule.value if due is not None else None,
        now.whole_due,
        now.overdue,
        course.open_request is not None,
        course.erased,
        now.outcome,
        now.result_number,
        now.lodged_at,
        now.registered_at,
        now.ended_at,
        last.partition,
        last.offset,
    )
