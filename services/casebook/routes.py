"""What can be asked of casebook over HTTP. A caller sees the cases of the own office only."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query

from services.casebook import opening, queries
from services.casebook.answers import (
    ApplicantQuestion,
    CaseAnswer,
    CasesAnswer,
    Count,
    CountsAnswer,
    TimelineAnswer,
)
from services.casebook.opening import Block
from services.casebook.readers import (
    After,
    Book,
    Casebook,
    Limit,
    Reader,
    due_key,
    due_key_of,
    key_of,
    scope,
)
from services.casebook.rendering import fact_of, fresh_of, status_of
from shared.clock import now
from shared.errors import Because, Refused
from shared.http.positions import MinPosition
from shared.http.problems import Missing
from shared.http.tokens import Caller
from shared.identifiers import CaseId, EventId, RegistrationNumber, Role, Source, Step
from shared.postgres.pool import Connection
from shared.privacy.openings import Purpose

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
_TIMELINE_MAX: Final = 500


@router.get("/cases")
async def find_cases(
    number: RegistrationNumber, book: Book, reader: Reader, min_position: MinPosition = None
) -> CasesAnswer:
    """The case under a registration number, if it is one of the caller's office."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows = await queries.by_number(connection, number, scope(reader))
    at = now()
    return CasesAnswer(cases=[status_of(row, at) for row in rows], next=None, as_of=as_of)


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
    book: Book,
    reader: Reader,
    open: Annotated[bool, Query(description="Open what is sealed")] = False,  # noqa: A002
    purpose: Annotated[Purpose | None, Query(description="What for; noted with who opens")] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=_TIMELINE_MAX)] = 100,
    min_position: MinPosition = None,
) -> TimelineAnswer:
    """Every fact of a case in order, with clauses and dues; sealed parts only when asked for.

    Who opens them names a purpose; person, role, purpose and time are noted before they are opened.
    """
    person = None
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        case = await _case(connection, case_id, reader)
        if open:
            person = await opening.opener_of(connection, reader, case["office"], purpose)
        path = case["path"]
        rows = await queries.timeline(connection, case_id, path, after, limit + 1)
        clauses = await queries.step_clauses(connection, case_id, path)
    rows, following = rows[:limit], rows[limit:]
    erased = case["erased"]
    if person is not None and not erased:
        private = await book.opener.open([_block(row) for row in rows], person)
    else:
        private = [opening.closed(row["sealed"], is_erased=erased) for row in rows]
    return TimelineAnswer(
        case_id=case_id,
        facts=[fact_of(row, part, clauses) for row, part in zip(rows, private, strict=True)],
        erased=erased,
        next=rows[-1]["place"] if following else None,
        as_of=as_of,
    )


@router.post("/applicants/status")
async def read_applicant(
    *,
    question: ApplicantQuestion,
    book: Book,
    reader: Reader,
    limit: Limit = 50,
    min_position: MinPosition = None,
) -> CasesAnswer:
    """All cases of a person, the newest first."""
    applicant: UUID | None = question.applicant
    if question.iin is not None:
        applicant = await book.vault.find_applicant(question.iin)
    after = key_of(question.after)
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows: list[asyncpg.Record] = []
        if applicant is not None:
            rows = await queries.of_applicant(
                connection, applicant, scope(reader), after, limit + 1
            )
    rows, following = rows[:limit], rows[limit:]
    at = now()
    return CasesAnswer(
        cases=[status_of(row, at) for row in rows],
        next=str(rows[-1]["case_id"]) if following else None,
        as_of=as_of,
    )


@router.get("/queues/{queue}")
async def read_queue(
    *,
    queue: QueueName,
    book: Book,
    reader: Reader,
    executor: Annotated[str | None, Query(max_length=41)] = None,
    by_rule: Annotated[bool, Query(description="Also what a rule does without a person")] = False,
    after: After = None,
    limit: Limit = 50,
    min_position: MinPosition = None,
) -> CasesAnswer:
    """What a role has to do in its office, the most urgent first."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        mine = await _wanted(connection, book, reader, queue, executor)
        wanted = replace(mine, by_rule=by_rule, after=due_key_of(after))
        rows = await queries.queue(connection, wanted, limit + 1)
    rows, following = rows[:limit], rows[limit:]
    at = now()
    return CasesAnswer(
        cases=[status_of(row, at) for row in rows],
        next=due_key(rows[-1]["due_at"], rows[-1]["case_id"]) if following else None,
        as_of=as_of,
    )


@router.get("/counts")
async def read_counts(book: Book, reader: Reader, min_position: MinPosition = None) -> CountsAnswer:
    """Open cases by office, procedure, stage and state, and how many of them are late."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows = await queries.counts(connection, scope(reader))
    return CountsAnswer(counts=[Count(**dict(row)) for row in rows], as_of=as_of)


async def _case(connection: Connection, case_id: UUID, reader: Caller) -> asyncpg.Record:
    """The status row, if the caller may know of the case at all."""
    row = await queries.case(connection, case_id, scope(reader))
    if row is None:
        raise Missing("no such case in your office")
    return row


async def _wanted(
    connection: Connection, book: Casebook, reader: Caller, queue: str, executor: str | None
) -> queries.Queue:
    """Which rows of a queue are the caller's."""
    stage, roles = _QUEUES[queue]
    office = scope(reader)
    if office is None:
        return queries.Queue(stage.value, None, executor)
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
    return queries.Queue(stage.value, office, executor, procedures)


def _block(row: asyncpg.Record) -> Block:
    return Block(CaseId(row["case_id"]), EventId(row["event_id"]), row["type"], row["sealed"])
