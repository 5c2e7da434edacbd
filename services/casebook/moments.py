"""Moments that a question names: an instant, or a place of the log, as the records that count.

A place stands for the moment at which its record was logged: of its own partition count the records
up to it, of the others those logged up to that moment.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Query

from services.casebook.answers import Fresh
from services.casebook.past import Moment
from services.casebook.readers import Book, Casebook
from shared.clock import now
from shared.errors import Because, Refused, Unavailable
from shared.http.positions import LogPosition
from shared.messaging.log import Log, open_log
from shared.messaging.topics import CASE_EVENTS, partitions_of

_TURN_S: Final = 5.0
_READ_S: Final = 5.0
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def turn(book: Casebook) -> AsyncIterator[None]:
    """One of a few at a time: a look back costs more than other questions. Raises Unavailable."""
    try:
        async with asyncio.timeout(_TURN_S):
            await book.looks_back.acquire()
    except TimeoutError:
        raise Unavailable("too many look into the past at once", retry_after_s=5) from None
    try:
        yield
    finally:
        book.looks_back.release()


async def _moment(
    book: Book,
    at: Annotated[
        datetime | None, Query(description="As it stood at this instant, with its zone.")
    ] = None,
    position: Annotated[
        str | None,
        Query(
            max_length=30,
            description="As it stood when this record of the log was read: `partition:offset`.",
        ),
    ] = None,
) -> Moment | None:
    if at is None and position is None:
        return None
    if at is not None and position is not None:
        raise _no_moment("position", "an instant or a position", "both")
    async with turn(book), open_log(book.follower.bootstrap, [CASE_EVENTS]) as log:
        found = await (_at(log, at) if at is not None else _behind(log, position or ""))
    await _folded(book, found)
    return found


Then = Annotated[Moment | None, Depends(_moment)]
"""The query parameters `at` and `position`; None: now."""


def fresh_at(moment: Moment) -> Fresh:
    """What an answer about the past holds."""
    positions = [f"{part}:{before - 1}" for part, before in moment.before.items() if before]
    return Fresh(time=moment.at, positions=positions)


async def _at(log: Log, at: datetime) -> Moment:
    if at.tzinfo is None:
        raise _no_moment("at", "an instant with its zone, like 2026-11-20T00:00+05:00", "no zone")
    if at > now():
        raise _no_moment("at", "an instant that has passed", "one to come")
    if at < _EARLIEST:  # the broker knows no instants before 1970
        raise _no_moment("at", "an instant of this century", "one before it")
    at = at.astimezone(UTC)
    return Moment(at, {part: offset for (_, part), offset in (await log.since(at)).items()})


async def _behind(log: Log, text: str) -> Moment:
    try:
        position = LogPosition.parse(text)
    except ValueError:
        raise _no_moment("position", "partition:offset", "something else") from None
    ends = await log.ends()
    if position.offset >= ends.get((CASE_EVENTS, position.partition), 0):
        raise _no_moment("position", "the place of a record in the log", "a place without one")
    at = await _logged_at(log, ends, position)
    before = {part: offset for (_, part), offset in (await log.since(at)).items()}
    return Moment(at, {**before, position.partition: position.offset + 1})


async def _logged_at(log: Log, ends: dict[tuple[str, int], int], position: LogPosition) -> datetime:
    """When the record at a position was logged."""
    log.seek({**ends, (CASE_EVENTS, position.partition): position.offset})
    try:
        async with asyncio.timeout(_READ_S):
            while True:
                for record in await log.poll(200, 1):
                    if record.partition == position.partition:
                        return datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except TimeoutError:
        raise Unavailable("the log does not give that record") from None


async def _folded(book: Casebook, moment: Moment) -> None:
    """Wait until everything that counts is folded."""
    for part in partitions_of(CASE_EVENTS):
        if moment.before.get(part, 0):
            await book.tail.folded(LogPosition(part, moment.before[part] - 1), book.read_wait_s)


def _no_moment(field: str, expected: str, found: str) -> Refused:
    return Refused(
        "a look back names one moment that has passed",
        expected=expected,
        found=found,
        because=Because.INPUT,
        field=field,
    )
