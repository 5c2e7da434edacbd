"""What can be asked of casebook about the staff and about itself, and its live feed, over HTTP."""

import base64
import binascii
import json
import time
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request

from services.casebook import opening, queries
from services.casebook.answers import (
    DirectoryAnswer,
    FreshnessAnswer,
    ParkedAnswer,
    Present,
)
from services.casebook.paging import Asked
from services.casebook.readers import Book, Colleague, Patient, Reader, scope
from services.casebook.rendering import fresh_of, parked_of, partition_of
from services.casebook.streaming import Stream
from shared.clock import DEPARTMENT_ZONE, now
from shared.http.described import Responses
from shared.http.positions import MinPosition
from shared.http.tokens import LIFETIME_MAX, Caller
from shared.identifiers import Role
from shared.privacy.openings import Purpose

router = APIRouter(tags=["casebook"], route_class=Patient)

_STREAM: Final[Responses] = {
    int(HTTPStatus.OK): {
        "description": "Server-sent events, until the token ends",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("/directory")
async def read_directory(
    page: Asked,
    book: Book,
    colleague: Colleague,
    open: Annotated[bool, Query(description="With names")] = False,  # noqa: A002
    purpose: Annotated[Purpose | None, Query(description="What for; noted with who opens")] = None,
    min_position: MinPosition = None,
) -> DirectoryAnswer:
    """Who is here today, in which roles, and how much each executor has to do."""
    day = now().astimezone(DEPARTMENT_ZONE).date()
    names: dict[str, str] = {}
    person = None
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        if open:
            person = await opening.opener_of(connection, colleague, colleague.office, purpose)
        office = None if _sees_all(colleague) and not open else colleague.office
        rows, following = await queries.members(connection, office, page)
        directory = await queries.directory(connection, rows, day)
        loads = await queries.loads(connection, [row["staff"] for row in rows])
    if person is not None:
        names = await book.opener.names(rows, person)
    staff = [
        Present(
            staff=row["staff"],
            office=row["office"],
            name=names.get(row["staff"]),
            roles=sorted(directory.roles_of(row["staff"], row["office"], day)),
            away=directory.is_away(row["staff"], day),
            active=row["active"],
            open=loads.get(row["staff"], (0, 0))[0],
            overdue=loads.get(row["staff"], (0, 0))[1],
        )
        for row in rows
    ]
    return DirectoryAnswer(day=day, staff=staff, next=following, as_of=as_of)


@router.get("/parked")
async def read_parked(
    page: Asked,
    book: Book,
    reader: Reader,
    min_position: MinPosition = None,
) -> ParkedAnswer:
    """Cases whose facts casebook cannot fold, or that wait for a fact that has not come."""
    async with book.reading(min_position) as connection:
        as_of = fresh_of(await queries.offsets(connection))
        rows, following = await queries.parked(connection, scope(reader), page)
    return ParkedAnswer(parked=[parked_of(row) for row in rows], next=following, as_of=as_of)


@router.get("/freshness")
async def read_freshness(
    book: Book,
    _reader: Colleague,
    min_position: MinPosition = None,
) -> FreshnessAnswer:
    """How far each partition of the log is folded, and how old the last record folded is."""
    async with book.reading(min_position) as connection:
        rows = await queries.offsets(connection)
    at = now()
    partitions = [partition_of(row, at) for row in rows]
    reach = book.tail.reach
    return FreshnessAnswer(
        as_of=fresh_of(rows),
        behind=sum(each.behind for each in partitions),
        folds_here=book.follower.leads,
        halted=book.follower.halted,
        generation=reach.generation if reach is not None else None,
        partitions=partitions,
    )


@router.get("/feed", response_class=Stream, responses=_STREAM)
async def read_feed(
    request: Request,
    book: Book,
    reader: Reader,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Stream:
    """Server-sent events: which cases of the own office changed (`changed`), or `reload`."""
    book.feed.require_room()
    until = _expires_at(request)
    return Stream(
        book.feed.stream(scope(reader), last_event_id, until=until),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _sees_all(who: Caller) -> bool:
    return not who.roles.isdisjoint({Role.OPERATOR, Role.ADMINISTRATOR})


def _expires_at(request: Request) -> float:
    """When the caller's token ends (Unix time). It has been verified; here it is only read."""
    latest = time.time() + LIFETIME_MAX.total_seconds()
    payload = request.headers.get("authorization", "").rpartition(" ")[2].split(".")[1:2]
    try:
        claims = json.loads(base64.urlsafe_b64decode("".join(payload) + "=="))
        return min(float(claims["exp"]), latest)
    except (ValueError, KeyError, TypeError, binascii.Error):
        return latest
