"""Looking for cases: by number, person, name, period, state and all that together, over HTTP.

The question travels in a body: an IIN or a name in an address would be logged everywhere.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from fastapi import APIRouter

from services.casebook import opening, queries
from services.casebook.answers import CasesAnswer, SearchAnswer
from services.casebook.paging import Asked, Page
from services.casebook.projections import names
from services.casebook.projections.search import MOST_URGENT, NEWEST, Sought, conditions_of, listed
from services.casebook.questions import ApplicantQuestion, CaseQuestion, Period
from services.casebook.readers import Book, Casebook, Reader, scope
from services.casebook.rendering import fresh_of, status_of
from shared.clock import now
from shared.errors import Because, Refused
from shared.http.positions import MinPosition
from shared.http.tokens import Caller
from shared.identifiers import CaseId
from shared.postgres.pool import Connection

router = APIRouter(tags=["casebook"])

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
) -> CasesAnswer:
    """All cases of a person, the newest first."""
    asked = CaseQuestion(iin=question.iin, applicant=question.applicant)
    async with book.reading(min_position) as connection:
        answer = await _search(_Search(connection, book, reader), asked, page)
    return CasesAnswer(cases=answer.cases, next=answer.next, as_of=answer.as_of)


@router.post("/cases/search")
async def search_cases(
    question: CaseQuestion,
    page: Asked,
    book: Book,
    reader: Reader,
    min_position: MinPosition = None,
) -> SearchAnswer:
    """The cases that fit everything asked for, of the caller's office. Changes nothing."""
    async with book.reading(min_position) as connection:
        return await _search(_Search(connection, book, reader), question, page)


@dataclass(slots=True)
class _Search:
    """One search at work."""

    connection: Connection
    book: Casebook
    reader: Caller
    finds_nobody: bool = False
    """The person is not known here."""
    hits: list[UUID] | None = field(default=None)
    """The cases that fit the name."""


async def _search(search: _Search, asked: CaseQuestion, page: Page) -> SearchAnswer:
    connection = search.connection
    order = NEWEST if asked.order == "newest" else MOST_URGENT
    order.place(page)  # a text that is no cursor is refused, whatever else is asked
    as_of = fresh_of(await queries.offsets(connection))
    sought = await _sought(search, asked)
    rows, following = (
        ([], None)
        if search.finds_nobody
        else await listed(connection, conditions_of(sought, order), order, page)
    )
    not_yet = None
    if search.hits is not None:
        not_yet = await names.count_unread(connection, _COUNTED_MAX)
        shown = [CaseId(row["case_id"]) for row in rows]
        gone = await search.book.indexer.forget_keyless(connection, shown)
        rows = [row for row in rows if row["case_id"] not in gone]
    at = now()
    cases = [status_of(row, at) for row in rows]
    return SearchAnswer(cases=cases, next=following, as_of=as_of, not_yet_by_name=not_yet)


async def _sought(search: _Search, asked: CaseQuestion) -> Sought:
    """The question as the projection takes it: the person and the name looked up."""
    book, office = search.book, scope(search.reader)
    if asked.procedure is not None:
        book.require_procedure(asked.procedure)
    period = Period(first_day=asked.first_day, last_day=asked.last_day).checked()
    applicant: UUID | None = asked.applicant
    if asked.iin is not None:
        applicant = await book.vault.find_applicant(asked.iin)
        if applicant is None or asked.applicant not in (None, applicant):
            search.finds_nobody = True
    if asked.name is not None:
        search.hits = await _named(search, asked.name)
    return Sought(
        offices=[each for each in (office, asked.office) if each is not None],
        number=asked.number,
        applicant=applicant,
        case_ids=search.hits,
        state=asked.state,
        stage=asked.stage,
        procedure=asked.procedure,
        executor=asked.executor,
        is_late=asked.overdue,
        lodged_from=period.begins,
        lodged_before=period.ends,
    )


async def _named(search: _Search, name: str) -> list[UUID]:
    """The cases of the caller's office that fit a name. Who opens nothing searches no name."""
    reader, connection = search.reader, search.connection
    await opening.require_opener(connection, reader, reader.office)
    words = search.book.indexer.sought(reader.office, name)
    hits = await names.found(connection, words, HITS_MAX + 1)
    if len(hits) > HITS_MAX:
        raise Refused(
            "a name finds a list that a person can look through",
            expected=f"at most {HITS_MAX} cases: more of the name, or another word of it",
            found="more",
            because=Because.INPUT,
            field="name",
        )
    return hits
