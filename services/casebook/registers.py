"""The office as a whole, over HTTP: how much there is to do, how old it is, what went out."""

from datetime import date, timedelta
from typing import Annotated, Final, Literal, TypeVar

import asyncpg
from fastapi import APIRouter, Depends, Query

from services.casebook import queries
from services.casebook.answers import (
    Age,
    AgesAnswer,
    Answer,
    Count,
    CountsAnswer,
    Load,
    Notice,
    NoticesAnswer,
    Result,
    ResultsAnswer,
    WorkloadAnswer,
)
from services.casebook.conditions import Conditions
from services.casebook.paging import Asked
from services.casebook.projections import ages, notices, results, workload
from services.casebook.questions import Period
from services.casebook.readers import Book, Patient, Reader, scope
from services.casebook.rendering import fresh_of
from shared.clock import now
from shared.http.positions import MinPosition
from shared.identifiers import Code

router = APIRouter(tags=["casebook"], route_class=Patient)

_DAYS_MAX: Final = 366
# Not one condition with a parameter: failures have an index of their own.
_OF_OUTCOME: Final = {"sent": "notices.outcome = 'sent'", "failed": "notices.outcome = 'failed'"}

A = TypeVar("A", bound=Answer)


async def _period(
    first_day: Annotated[date | None, Query(description="From this day on")] = None,
    last_day: Annotated[date | None, Query(description="Up to this day, with it")] = None,
) -> Period:
    return Period(first_day=first_day, last_day=last_day).checked()


Days = Annotated[Period, Depends(_period)]


@router.get("/counts")
async def read_counts(book: Book, reader: Reader, min_position: MinPosition = None) -> CountsAnswer:
    """Open cases by office, procedure, stage and state, and how many of them are late."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows = await queries.counts(connection, scope(reader))
    return CountsAnswer(counts=[_as(Count, row) for row in rows], as_of=as_of)


@router.get("/ages")
async def read_ages(
    book: Book,
    reader: Reader,
    procedure: Annotated[Code | None, Query()] = None,
    min_position: MinPosition = None,
) -> AgesAnswer:
    """How long open cases have stood in each stage, and how they stand against their dues."""
    if procedure is not None:
        book.require_procedure(procedure)
    wanted = Conditions()
    wanted.may("office = {}", scope(reader))
    wanted.may("procedure = {}", procedure)
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows = await ages.listed(connection, wanted)
    return AgesAnswer(ages=[_as(Age, row) for row in rows], as_of=as_of)


@router.get("/workload")
async def read_workload(
    page: Asked,
    book: Book,
    reader: Reader,
    days: Annotated[int, Query(ge=1, le=_DAYS_MAX, description="Results of so many days")] = 30,
    min_position: MinPosition = None,
) -> WorkloadAnswer:
    """What each executor of the office has to do, what of it is late, what they have finished."""
    since = now() - timedelta(days=days)
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows, following = await workload.listed(connection, scope(reader), since, page)
    executors = [_as(Load, row) for row in rows]
    return WorkloadAnswer(executors=executors, issued_since=since, next=following, as_of=as_of)


@router.get("/results")
async def read_results(
    *,
    page: Asked,
    days: Days,
    book: Book,
    reader: Reader,
    procedure: Annotated[Code | None, Query()] = None,
    outcome: Annotated[Literal["granted", "refused"] | None, Query()] = None,
    min_position: MinPosition = None,
) -> ResultsAnswer:
    """The register of results of a period: number, day, outcome, way, to whom by reference."""
    if procedure is not None:
        book.require_procedure(procedure)
    wanted = Conditions()
    wanted.may("office = {}", scope(reader))
    wanted.may("ended_at >= {}", days.begins)
    wanted.may("ended_at < {}", days.ends)
    wanted.may("procedure = {}", procedure)
    wanted.may("outcome = {}", outcome)
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows, following = await results.listed(connection, wanted, page)
    return ResultsAnswer(results=[_as(Result, row) for row in rows], next=following, as_of=as_of)


@router.get("/notices")
async def read_notices(
    *,
    page: Asked,
    days: Days,
    book: Book,
    reader: Reader,
    outcome: Annotated[Literal["sent", "failed"] | None, Query()] = None,
    min_position: MinPosition = None,
) -> NoticesAnswer:
    """Messages to applicants of a period: which were sent, which failed, and why."""
    wanted = Conditions()
    wanted.may("notices.office = {}", scope(reader))
    wanted.may("at >= {}", days.begins)
    wanted.may("at < {}", days.ends)
    if outcome is not None:
        # Two statements, not one with a parameter: failures have an index of their own.
        wanted.must(
            "notices.outcome = 'failed'" if outcome == "failed" else "notices.outcome = 'sent'"
        )
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows, following = await notices.listed(connection, wanted, page)
    return NoticesAnswer(notices=[_as(Notice, row) for row in rows], next=following, as_of=as_of)


def _as(model: type[A], row: asyncpg.Record) -> A:
    """A row whose columns are named as the answer's fields."""
    return model.model_validate({name: row[name] for name in model.model_fields})
