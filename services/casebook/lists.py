"""A page of a list of cases, as they stand or stood at a moment: what several routes answer."""

from collections.abc import Sequence

from services.casebook import past, queries
from services.casebook.answers import CasesAnswer
from services.casebook.moments import fresh_at, turn
from services.casebook.paging import Page, Row
from services.casebook.past import Moment
from services.casebook.projections.search import NEWEST, Sought, conditions_of, listed
from services.casebook.readers import Casebook
from services.casebook.rendering import fresh_of, status_of
from shared.clock import now
from shared.http.positions import LogPosition


async def cases(
    book: Casebook,
    sought: Sought | None,
    page: Page,
    min_position: LogPosition | None,
    then: Moment | None,
) -> CasesAnswer:
    """The cases that fit, the newest first; None: nobody is asked for, so there are none."""
    rows: Sequence[Row] = []
    following = None
    async with book.reading(min_position) as connection:
        as_of = fresh_at(then) if then else fresh_of(await queries.offsets(connection))
        if sought is not None and then is None:
            wanted = conditions_of(sought, NEWEST)
            rows, following = await listed(connection, wanted, NEWEST, page)
        elif sought is not None and then is not None:
            async with turn(book):
                rows, following = await past.listed(connection, sought, then, page)
    at = then.at if then else now()
    return CasesAnswer(cases=[status_of(row, at) for row in rows], next=following, as_of=as_of)
