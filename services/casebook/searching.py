"""Looking for cases: by number, person, name, period, state and all that together, over HTTP.

The question travels in a body: an IIN or a name in an address would be logged everywhere.
"""

from dataclasses import replace
from typing import Final
from uuid import UUID

import asyncpg
from fastapi import APIRouter

from services.casebook import lists, opening, queries
from services.casebook.answers import CasesAnswer, SearchAnswer
from services.casebook.moments import Then
from services.casebook.paging import Asked, Page
from services.casebook.projections import names
from services.casebook.projections.search import MOST_URGENT, NEWEST, Sought, conditions_of, listed
from services.casebook.questions import ApplicantQuestion, CaseQuestion, Period
from services.casebook.readers import Book, Casebook, Patient, Reader, scope
from services.casebook.rendering import fresh_of, status_of
from shared.clock import now
from shared.errors import Because, Refused
from shared.http.positions import LogPosition, MinPosition
from shared.http.tokens import Caller
from shared.identifiers import CaseId
from shared.postgres.pool import Connection

router = APIRouter(tags=["casebook"], route_class=Patient)

HITS_MAX: Final = 5_000
"""Cases that a name may find: more are too many to sort for each page, and to look through."""
_COUNTED_MAX: Final = 1_000


@router.post("/applicants/status")
async def read_applicant(
    question: ApplicantQuestion,
    page: Asked,
    book: Book,
    reader: Reader,
    min_position: MinPosition = None,
    then: Then = None,
) -> CasesAnswer:
    """All cases of a person, the newest first; now, or as they stood at a moment."""
    asked = CaseQuestion(iin=question.iin, applicant=question.applicant)
    is_known, applicant = await _person(book, asked)
    sought = replace(_sought(book, reader, asked), applicant=applicant) if is_known else None
    return await lists.cases(book, sought, page, min_position, then)


@router.post("/cases/search")
async def search_cases(
    question: CaseQuestion,
    page: Asked,
    book: Book,
    reader: Reader,
    min_position: MinPosition = None,
) -> SearchAnswer:
    """The cases that fit everything asked for, of the caller's office. Changes nothing."""
    return await _search(book, reader, question, page, min_position)


async def _search(
    book: Casebook,
    reader: Caller,
    asked: CaseQuestion,
    page: Page,
    min_position: LogPosition | None,
) -> SearchAnswer:
    order = NEWEST if asked.order == "newest" else MOST_URGENT
    order.place(page)  # a text that is no cursor is refused, whatever else is asked
    sought = _sought(book, reader, asked)
    # The vault is asked while no connection is held: it may be slow, and others want to read.
    is_known, applicant = await _person(book, asked)
    not_yet, rows, following = None, list[asyncpg.Record](), None
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        hits = None
        if asked.name is not None:
            hits = await _named(book, reader, connection, asked.name)
            not_yet = await names.count_unread(connection, _COUNTED_MAX)
        if is_known:
            wanted = conditions_of(replace(sought, applicant=applicant, case_ids=hits), order)
            found, following = await listed(connection, wanted, order, page)
            rows = list(found)
    if asked.name is not None:
        rows = await _with_keys(book, rows)
    at = now()
    cases = [status_of(row, at) for row in rows]
    return SearchAnswer(cases=cases, next=following, as_of=as_of, not_yet_by_name=not_yet)


def _sought(book: Casebook, reader: Caller, asked: CaseQuestion) -> Sought:
    """The question as the projection takes it, but for the person. Raises Refused."""
    if asked.procedure is not None:
        book.require_procedure(asked.procedure)
    period = Period(first_day=asked.first_day, last_day=asked.last_day).checked()
    return Sought(
        offices=[each for each in (scope(reader), asked.office) if each is not None],
        number=asked.number,
        state=asked.state,
        stage=asked.stage,
        procedure=asked.procedure,
        executor=asked.executor,
        is_late=asked.overdue,
        lodged_from=period.begins,
        lodged_before=period.ends,
    )


async def _person(book: Casebook, asked: CaseQuestion) -> tuple[bool, UUID | None]:
    """Whether who is asked for can have cases here, and their reference, if one is asked for."""
    if asked.iin is None:
        return True, asked.applicant
    applicant = await book.vault.find_applicant(asked.iin)
    return applicant is not None and asked.applicant in (None, applicant), applicant


async def _named(book: Casebook, reader: Caller, connection: Connection, name: str) -> list[UUID]:
    """The cases of the caller's office that fit a name. Who opens nothing searches no name."""
    await opening.require_opener(connection, reader, reader.office)
    hits = await names.found(connection, book.indexer.sought(reader.office, name), HITS_MAX + 1)
    if len(hits) > HITS_MAX:
        raise Refused(
            "a name finds a list that a person can look through",
            expected=f"at most {HITS_MAX} cases: more of the name, or another word of it",
            found="more",
            because=Because.INPUT,
            field="name",
        )
    return hits


async def _with_keys(book: Casebook, rows: list[asyncpg.Record]) -> list[asyncpg.Record]:
    """Those whose keys still exist; the others are found by no name from now on."""
    gone = await book.indexer.keyless([CaseId(row["case_id"]) for row in rows])
    if gone:
        async with book.reading() as connection:
            await names.forget(connection, gone)
    return [row for row in rows if row["case_id"] not in gone]
