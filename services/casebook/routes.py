"""What can be asked of casebook over HTTP. A caller sees the cases of the own office only."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query

from services.casebook import lists, opening, past, queries
from services.casebook.answers import CaseAnswer, CasesAnswer, State, TimelineAnswer
from services.casebook.moments import Then, fresh_at, turn
from services.casebook.opening import Block
from services.casebook.paging import Asked, Row
from services.casebook.projections import queues
from services.casebook.projections.search import Sought
from services.casebook.readers import Book, Casebook, Patient, Reader, scope
from services.casebook.rendering import fact_of, fresh_of, status_of
from shared.clock import now
from shared.errors import Because, Refused
from shared.http.positions import MinPosition
from shared.http.problems import Missing
from shared.http.tokens import Caller
from shared.identifiers import (
    CaseId,
    Code,
    EventId,
    RegistrationNumber,
    Role,
    Source,
    StaffId,
    Step,
)
from shared.postgres.pool import Connection
from shared.privacy.openings import Purpose

router = APIRouter(tags=["casebook"], route_class=Patient)

QueueName = Literal["to-register", "to-assign", "to-draft", "to-sign", "to-issue"]
_QUEUES: Final[Mapping[str, tuple[Source, frozenset[Role]]]] = MappingProxyType(
    {
        "to-register": (Source.INTAKE, frozenset({Role.OFFICE_SPECIALIST})),
        "to-assign": (Source.ROUTING, frozenset({Role.HEAD})),
        "to-draft": (Source.EXECUTOR, frozenset({Role.RESPONSIBLE_EXECUTOR, Role.HEAD})),
        "to-sign": (Source.SIGNING, frozenset({Role.HEAD, Role.MANAGEMENT})),
        "to-issue": (Source.NOTIFY, frozenset({Role.OFFICE_SPECIALIST})),
    }
)


@router.get("/cases")
async def find_cases(
    *,
    page: Asked,
    book: Book,
    reader: Reader,
    number: Annotated[RegistrationNumber | None, Query()] = None,
    procedure: Annotated[Code | None, Query()] = None,
    state: State | None = None,
    stage: Annotated[Source | None, Query(description="That holds it: open cases only")] = None,
    executor: Annotated[StaffId | None, Query()] = None,
    min_position: MinPosition = None,
    then: Then = None,
) -> CasesAnswer:
    """Cases of the caller's office, the newest first; now, or as they stood at a moment.

    The number is a registration's, or a result's.
    """
    if procedure is not None:
        book.require_procedure(procedure)
    office = scope(reader)
    sought = Sought(
        offices=() if office is None else (office,),
        number=number,
        state=state,
        stage=stage,
        procedure=procedure,
        executor=executor,
    )
    return await lists.cases(book, sought, page, min_position, then)


@router.get("/cases/{case_id}")
async def read_case(
    case_id: UUID,
    book: Book,
    reader: Reader,
    min_position: MinPosition = None,
    then: Then = None,
) -> CaseAnswer:
    """Where a case stands, or stood at a moment. Another office's case is not found."""
    async with book.reading(min_position) as connection:
        as_of = fresh_at(then) if then else fresh_of(await queries.offsets(connection))
        now_row = await _case(connection, case_id, reader)
        row = await _then(connection, now_row, then)
        if then is None:
            parked = await queries.parked_reason(connection, case_id)
        else:
            parked = await past.parked_reason(connection, case_id, then.before[row["partition"]])
    return CaseAnswer(case=status_of(row, then.at if then else now()), parked=parked, as_of=as_of)


@router.get("/cases/{case_id}/timeline")
async def read_timeline(
    *,
    case_id: UUID,
    page: Asked,
    book: Book,
    reader: Reader,
    open: Annotated[bool, Query(description="Open what is sealed")] = False,  # noqa: A002
    purpose: Annotated[Purpose | None, Query(description="What for; noted with who opens")] = None,
    min_position: MinPosition = None,
    then: Then = None,
) -> TimelineAnswer:
    """Every fact of a case in order, with clauses and dues; sealed parts only when asked for.

    Who opens them names a purpose; person, role, purpose and time are noted before they are opened.
    What is erased now is not shown of the past either.
    """
    person = None
    async with book.reading(min_position) as connection:
        as_of = fresh_at(then) if then else fresh_of(await queries.offsets(connection))
        now_row = await _case(connection, case_id, reader)
        if open:
            person = await opening.opener_of(connection, reader, now_row["office"], purpose)
        case = await _then(connection, now_row, then)
        before = then.before[case["partition"]] if then else None
        rows, following = await queries.timeline(connection, case, page, before)
        clauses = await queries.step_clauses(connection, case, before)
    erased = now_row["erased"]
    if person is not None and not erased:
        private = await book.opener.open([_block(row) for row in rows], person)
    else:
        private = [opening.closed(row["sealed"], is_erased=erased) for row in rows]
    return TimelineAnswer(
        case_id=case_id,
        facts=[fact_of(row, part, clauses) for row, part in zip(rows, private, strict=True)],
        erased=erased,
        next=following,
        as_of=as_of,
    )


@router.get("/queues/{queue}")
async def read_queue(
    *,
    queue: QueueName,
    page: Asked,
    book: Book,
    reader: Reader,
    executor: Annotated[StaffId | None, Query()] = None,
    by_rule: Annotated[bool, Query(description="Also what a rule does without a person")] = False,
    min_position: MinPosition = None,
    then: Then = None,
) -> CasesAnswer:
    """What a role has to do in its office, or had at a moment, the most urgent first."""
    async with book.reading(min_position) as connection:
        mine = await _wanted(connection, book, reader, queue, executor)
        wanted = replace(mine, by_rule=by_rule)
        rows: Sequence[Row]
        if then is None:
            as_of = fresh_of(await queries.offsets(connection))
            rows, following = await queues.queue(connection, wanted, page)
        else:
            as_of = fresh_at(then)
            async with turn(book):
                rows, following = await past.queue(connection, wanted, then, page)
    at = then.at if then else now()
    return CasesAnswer(cases=[status_of(row, at) for row in rows], next=following, as_of=as_of)


async def _then(connection: Connection, row: asyncpg.Record, then: past.Moment | None) -> Row:
    """A case as it stood, if a moment is named."""
    found: Row | None = row if then is None else await past.case(connection, row, then)
    if found is None:
        raise Missing("no such case in your office at that moment")
    return found


async def _case(connection: Connection, case_id: UUID, reader: Caller) -> asyncpg.Record:
    """The status row, if the caller may know of the case at all."""
    row = await queries.case(connection, case_id, scope(reader))
    if row is None:
        raise Missing("no such case in your office")
    return row


async def _wanted(
    connection: Connection, book: Casebook, reader: Caller, queue: str, executor: str | None
) -> queues.Queue:
    """Which rows of a queue are the caller's."""
    stage, roles = _QUEUES[queue]
    office = scope(reader)
    if office is None:
        return queues.Queue(stage.value, None, executor)
    usable = roles & (reader.roles | await opening.roles_today(connection, reader))
    if not usable:
        raise Refused(
            "a queue is for those who work it off",
            expected=" or ".join(sorted(roles)),
            found=" and ".join(sorted(reader.roles)),
            because=Because.ACTOR,
        )
    procedures = None
    if stage is Source.EXECUTOR and Role.HEAD not in usable:
        executor = reader.staff
    if stage is Source.SIGNING:
        procedures = [
            f"{name}@{edition}"
            for (name, edition), procedure in book.procedures.procedures.items()
            if procedure.step(Step.SIGN).actor in usable
        ]
    return queues.Queue(stage.value, office, executor, procedures)


def _block(row: asyncpg.Record) -> Block:
    return Block(CaseId(row["case_id"]), EventId(row["event_id"]), row["type"], row["sealed"])
