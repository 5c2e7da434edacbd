"""What can be asked of casebook over HTTP. A caller sees the cases of the own office only."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query

from services.casebook import opening, queries
from services.casebook.answers import CaseAnswer, CasesAnswer, TimelineAnswer
from services.casebook.opening import Block
from services.casebook.paging import Asked
from services.casebook.projections import queues
from services.casebook.projections.search import NEWEST, Sought, conditions_of, listed
from services.casebook.readers import Book, Casebook, Reader, scope
from services.casebook.rendering import fact_of, fresh_of, status_of
from shared.clock import now
from shared.errors import Because, Refused
from shared.http.positions import MinPosition
from shared.http.problems import Missing
from shared.http.tokens import Caller
from shared.identifiers import CaseId, EventId, RegistrationNumber, Role, Source, StaffId, Step
from shared.postgres.pool import Connection

router = APIRouter(tags=["casebook"])

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
    number: RegistrationNumber,
    page: Asked,
    book: Book,
    reader: Reader,
    min_position: MinPosition = None,
) -> CasesAnswer:
    """The case under a registration or result number, if it is one of the caller's office."""
    office = scope(reader)
    sought = Sought(offices=() if office is None else (office,), number=number)
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows, following = await listed(connection, conditions_of(sought, NEWEST), NEWEST, page)
    at = now()
    return CasesAnswer(cases=[status_of(row, at) for row in rows], next=following, as_of=as_of)


@router.get("/cases/{case_id}")
async def read_case(
    case_id: UUID, book: Book, reader: Reader, min_position: MinPosition = None
) -> CaseAnswer:
    """Where a case stands. Another office's case is not found."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        row = await _case(connection, case_id, reader)
        parked = await queries.parked_reason(connection, case_id)
    return CaseAnswer(case=status_of(row, now()), parked=parked, as_of=as_of)


@router.get("/cases/{case_id}/timeline")
async def read_timeline(
    *,
    case_id: UUID,
    page: Asked,
    book: Book,
    reader: Reader,
    open: Annotated[bool, Query(description="Open what is sealed")] = False,  # noqa: A002
    min_position: MinPosition = None,
) -> TimelineAnswer:
    """Every fact of a case in order, with clauses and dues; sealed parts only when asked for."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        case = await _case(connection, case_id, reader)
        if open:
            await opening.require_opener(connection, reader, case["office"])
        path = case["path"]
        rows, following = await queries.timeline(connection, case_id, path, page)
        clauses = await queries.step_clauses(connection, case_id, path)
    erased = case["erased"]
    if open and not erased:
        private = await book.opener.open([_block(row) for row in rows])
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
) -> CasesAnswer:
    """What a role has to do in its office, the most urgent first."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        mine = await _wanted(connection, book, reader, queue, executor)
        rows, following = await queues.queue(connection, replace(mine, by_rule=by_rule), page)
    at = now()
    return CasesAnswer(cases=[status_of(row, at) for row in rows], next=following, as_of=as_of)


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
