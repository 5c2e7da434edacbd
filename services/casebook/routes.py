"""What can be asked of casebook over HTTP. A caller sees the cases of the own office only."""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from services.casebook import opening, queries
from services.casebook.answers import (
    ApplicantQuestion,
    CaseAnswer,
    CasesAnswer,
    Count,
    CountsAnswer,
    DirectoryAnswer,
    Due,
    FreshnessAnswer,
    Parked,
    ParkedAnswer,
    PartitionFreshness,
    Present,
    TimelineAnswer,
    TimelineFact,
)
from services.casebook.opening import Block, Private
from services.casebook.readers import (
    After,
    Book,
    Casebook,
    Colleague,
    Limit,
    Reader,
    due_key,
    due_key_of,
    key_of,
    scope,
)
from shared.clock import DEPARTMENT_ZONE, now
from shared.errors import Because, Refused
from shared.http.positions import MinPosition
from shared.http.problems import Missing
from shared.http.tokens import LIFETIME_MAX, Caller
from shared.identifiers import CaseId, EventId, Role, Source, Step
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
_TIMELINE_MAX: Final = 500


@router.get("/cases/{case_id}")
async def read_case(
    case_id: UUID, book: Book, reader: Reader, min_position: MinPosition = None
) -> CaseAnswer:
    """Where a case stands. Another office's case is not found."""
    async with book.reading(min_position) as connection:
        as_of = await queries.fresh(connection)
        row = await _case(connection, case_id, reader)
        parked = await queries.parked_reason(connection, case_id)
    return CaseAnswer(case=queries.status_of(row, now()), parked=parked, as_of=as_of)


@router.get("/cases/{case_id}/timeline")
async def read_timeline(
    case_id: UUID,
    book: Book,
    reader: Reader,
    open: Annotated[bool, Query(description="Open what is sealed")] = False,  # noqa: A002
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=_TIMELINE_MAX)] = 100,
    min_position: MinPosition = None,
) -> TimelineAnswer:
    """Every fact of a case in order, with clauses and dues; sealed parts only when asked for."""
    async with book.reading(min_position) as connection:
        as_of = await queries.fresh(connection)
        case = await _case(connection, case_id, reader)
        if open:
            await opening.require_opener(connection, reader, case["office"])
        path = case["path"]
        rows = await queries.timeline(connection, case_id, path, after, limit + 1)
        clauses = await queries.step_clauses(connection, case_id, path)
    rows, following = rows[:limit], rows[limit:]
    erased = case["erased"]
    if open and not erased:
        private = await book.opener.open([_block(row) for row in rows])
    else:
        private = [opening.closed(row["sealed"], is_erased=erased) for row in rows]
    return TimelineAnswer(
        case_id=case_id,
        facts=[_fact(row, part, clauses) for row, part in zip(rows, private, strict=True)],
        erased=erased,
        next=rows[-1]["place"] if following else None,
        as_of=as_of,
    )


@router.post("/applicants/status")
async def read_applicant(
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
        as_of = await queries.fresh(connection)
        rows: list[asyncpg.Record] = []
        if applicant is not None:
            rows = await queries.of_applicant(
                connection, applicant, scope(reader), after, limit + 1
            )
    rows, following = rows[:limit], rows[limit:]
    at = now()
    return CasesAnswer(
        cases=[queries.status_of(row, at) for row in rows],
        next=str(rows[-1]["case_id"]) if following else None,
        as_of=as_of,
    )


@router.get("/queues/{queue}")
async def read_queue(
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
        as_of = await queries.fresh(connection)
        wanted = await _wanted(connection, book, reader, queue, executor)
        wanted = queries.Queue(*wanted, by_rule, due_key_of(after))
        rows = await queries.queue(connection, wanted, limit + 1)
    rows, following = rows[:limit], rows[limit:]
    at = now()
    return CasesAnswer(
        cases=[queries.status_of(row, at) for row in rows],
        next=due_key(rows[-1]["due_at"], rows[-1]["case_id"]) if following else None,
        as_of=as_of,
    )


@router.get("/counts")
async def read_counts(book: Book, reader: Reader, min_position: MinPosition = None) -> CountsAnswer:
    """Open cases by office, procedure, stage and state, and how many of them are late."""
    async with book.reading(min_position) as connection:
        as_of = await queries.fresh(connection)
        rows = await queries.counts(connection, scope(reader))
    return CountsAnswer(counts=[Count(**dict(row)) for row in rows], as_of=as_of)


@router.get("/directory")
async def read_directory(
    book: Book,
    colleague: Colleague,
    open: Annotated[bool, Query(description="With names")] = False,  # noqa: A002
    min_position: MinPosition = None,
) -> DirectoryAnswer:
    """Who is here today, in which roles, and how much each executor has to do."""
    day = now().astimezone(DEPARTMENT_ZONE).date()
    names: dict[str, str] = {}
    async with book.reading(min_position) as connection:
        as_of = await queries.fresh(connection)
        if open:
            await opening.require_opener(connection, colleague, colleague.office)
        rows = await queries.members(
            connection, None if not open and _sees_all(colleague) else colleague.office
        )
        directory = await queries.directory(connection, rows, day)
        loads = await queries.loads(connection, [row["staff"] for row in rows])
    if open:
        names = await book.opener.names(rows)
    staff = []
    for row in rows:
        name, office = row["staff"], row["office"]
        load = loads.get(name, (0, 0))
        staff.append(
            Present(
                staff=name,
                office=office,
                name=names.get(name),
                roles=sorted(directory.roles_of(name, office, day)),
                away=directory.is_away(name, day),
                active=row["active"],
                open=load[0],
                overdue=load[1],
            )
        )
    return DirectoryAnswer(day=day, staff=staff, as_of=as_of)


@router.get("/parked")
async def read_parked(
    book: Book,
    reader: Reader,
    after: After = None,
    limit: Limit = 50,
    min_position: MinPosition = None,
) -> ParkedAnswer:
    """Cases whose facts casebook cannot fold, or that wait for a fact that has not come."""
    async with book.reading(min_position) as connection:
        as_of = await queries.fresh(connection)
        rows = await queries.parked(connection, scope(reader), key_of(after), limit + 1)
    rows, following = rows[:limit], rows[limit:]
    listed = [
        Parked(
            case_id=row["case_id"],
            office=row["office"],
            kind=row["kind"],
            reason=row["reason"],
            topic=row["topic"],
            position=f"{row['partition']}:{row['offset']}",
            since=row["logged_at"],
            behind=row["behind"],
        )
        for row in rows
    ]
    return ParkedAnswer(
        parked=listed, next=str(rows[-1]["case_id"]) if following else None, as_of=as_of
    )


@router.get("/freshness")
async def read_freshness(
    book: Book, reader: Colleague, min_position: MinPosition = None
) -> FreshnessAnswer:
    """How far each partition of the log is folded, and how old the last record folded is."""
    async with book.reading(min_position) as connection:
        rows = await queries.offsets(connection)
    at = now()
    partitions = [_partition(row, at) for row in rows]
    reach = book.tail.reach
    return FreshnessAnswer(
        as_of=queries.fresh_of(rows),
        behind=sum(each.behind for each in partitions),
        folds_here=book.follower.leads,
        halted=book.follower.halted,
        generation=reach.generation if reach is not None else None,
        partitions=partitions,
    )


@router.get("/feed", response_class=StreamingResponse)
async def read_feed(
    request: Request,
    book: Book,
    reader: Reader,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> StreamingResponse:
    """Server-sent events: which cases of the own office changed (`changed`), or `reload`."""
    book.feed.require_room()
    until = _expires_at(request)
    return StreamingResponse(
        book.feed.stream(scope(reader), last_event_id, until=until),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _sees_all(who: Caller) -> bool:
    return not who.roles.isdisjoint({Role.OPERATOR, Role.ADMINISTRATOR})


async def _case(connection: Connection, case_id: UUID, reader: Caller) -> asyncpg.Record:
    """The status row, if the caller may know of the case at all."""
    row = await queries.case(connection, case_id, scope(reader))
    if row is None:
        raise Missing("no such case in your office")
    return row


async def _wanted(
    connection: Connection, book: Casebook, reader: Caller, queue: str, executor: str | None
) -> tuple[str, str | None, str | None, list[str] | None]:
    """Which rows of a queue are the caller's: stage, office, executor, procedures."""
    stage, roles = _QUEUES[queue]
    office = scope(reader)
    if office is None:
        return stage.value, None, executor, None
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
    return stage.value, office, executor, procedures


def _block(row: asyncpg.Record) -> Block:
    return Block(CaseId(row["case_id"]), EventId(row["event_id"]), row["type"], row["sealed"])


def _fact(row: asyncpg.Record, private: Private, clauses: Mapping[int, str]) -> TimelineFact:
    due = None
    if row["due_at"] is not None:
        due = Due(at=row["due_at"], clause=row["due_clause"], rule=row["due_rule"])
    of_step = clauses.get(row["turn"]) if row["kind"] != "statement" else None
    named = [clause for clause in (of_step, row["clause"]) if clause is not None]
    plain = {name: row[name] for name in TimelineFact.model_fields if name in _AS_STORED}
    return TimelineFact.model_validate(
        {
            **plain,
            "clauses": list(dict.fromkeys(named)),
            "due": due,
            "said": json.loads(row["said"]),
            "private": private.state,
            "opened": private.opened,
            "position": f"{row['partition']}:{row['offset']}",
        }
    )


_AS_STORED: Final = frozenset(TimelineFact.model_fields) - {
    "clauses", "due", "said", "private", "opened", "position",
}  # fmt: skip


def _partition(row: asyncpg.Record, at: datetime) -> PartitionFreshness:
    last = row["last_logged_at"]
    return PartitionFreshness(
        topic=row["topic"],
        partition=row["partition"],
        next=row["next"],
        log_end=row["log_end"],
        behind=max(0, row["log_end"] - row["next"]),
        last_record_at=last,
        age_s=round((at - last).total_seconds(), 3) if last is not None else None,
        seen_at=row["seen_at"],
    )


def _expires_at(request: Request) -> float:
    """When the caller's token ends (Unix time). It has been verified; here it is only read."""
    latest = time.time() + LIFETIME_MAX.total_seconds()
    payload = request.headers.get("authorization", "").rpartition(" ")[2].split(".")[1:2]
    try:
        claims = json.loads(base64.urlsafe_b64decode("".join(payload) + "=="))
        return min(float(claims["exp"]), latest)
    except (ValueError, KeyError, TypeError, binascii.Error):
        return latest
