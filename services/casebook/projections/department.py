"""The staff directory as tables: who works where, who is away, who acts for whom.

The rules of who may do what today stay in `shared.directory`; here is what they are asked over.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from services.casebook.admission import CaseFile, Told
from shared.events.routing import AbsenceRecorded, ActingHeadNamed, StaffMemberRecorded
from shared.identifiers import DEPARTMENT
from shared.postgres.pool import Connection

_MEMBERS: Final = """
INSERT INTO members (staff, office, roles, active, sealed, event_id, type, sequence)
SELECT staff, office, string_to_array(roles, ' '), active, sealed, event_id, type, sequence
FROM unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::text[], $6::uuid[], $7::text[],
            $8::int[])
    AS fresh (staff, office, roles, active, sealed, event_id, type, sequence)
ON CONFLICT (staff) DO UPDATE SET office = excluded.office, roles = excluded.roles,
    active = excluded.active, sealed = excluded.sealed, event_id = excluded.event_id,
    type = excluded.type, sequence = excluded.sequence
WHERE members.sequence < excluded.sequence
"""
_ABSENCES: Final = """
INSERT INTO absences (sequence, staff, first_day, last_day)
SELECT * FROM unnest($1::int[], $2::text[], $3::date[], $4::date[])
ON CONFLICT (sequence) DO NOTHING
"""
_ACTING: Final = """
INSERT INTO acting (sequence, role, office, staff, first_day, last_day)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[])
ON CONFLICT (sequence) DO NOTHING
"""

Row = tuple[object, ...]
COLUMNS: Final = {
    "members": ("staff", "office", "roles", "active", "sealed", "event_id", "type", "sequence"),
    "absences": ("sequence", "staff", "first_day", "last_day"),
    "acting": ("sequence", "role", "office", "staff", "first_day", "last_day"),
}


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Take over the department's facts that were applied."""
    told = [told for file in files if file.case_id == DEPARTMENT for told in file.told]
    if not told:
        return
    found = rows_of(told)
    for table, statement in (("members", _MEMBERS), ("absences", _ABSENCES), ("acting", _ACTING)):
        if rows := found[table]:
            await connection.execute(statement, *zip(*map(_flat, rows), strict=True))


def rows_of(told: Iterable[Told]) -> dict[str, list[Row]]:
    """The rows of each table that these facts give."""
    members: dict[str, Row] = {}
    absences: list[Row] = []
    acting: list[Row] = []
    for each in told:
        _sort(each, members, absences, acting)
    return {"members": list(members.values()), "absences": absences, "acting": acting}


def _flat(row: Row) -> Row:
    """Roles travel as one text: arrays in arrays would have to be of one length."""
    return tuple(" ".join(value) if isinstance(value, tuple) else value for value in row)


def _sort(told: Told, members: dict[str, Row], absences: list[Row], acting: list[Row]) -> None:
    envelope = told.fact.envelope
    sequence = envelope.sequence
    match told.fact.event:
        case StaffMemberRecorded() as event:
            members[event.staff] = (
                event.staff,
                event.office,
                tuple(role.value for role in event.roles),
                event.active,
                str(event.private),
                envelope.event_id,
                envelope.type,
                sequence,
            )
        case AbsenceRecorded() as event:
            absences.append((sequence, event.staff, event.first_day, event.last_day))
        case ActingHeadNamed() as event:
            days = (event.first_day, event.last_day)
            acting.append((sequence, event.role.value, event.office, event.staff, *days))
        case _:
            return
