"""Who reads, and what of it: roles, offices, lists to go on from, positions to wait for."""

import asyncio
import base64
import binascii
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute

from services.casebook.feed import Feed
from services.casebook.following import Follower
from services.casebook.opening import Opener
from services.casebook.queries import LIST_MAX
from services.casebook.schemas import Lost, asking
from services.casebook.tailing import Tail
from shared.errors import Because, Refused, Unavailable
from shared.http.positions import LogPosition
from shared.http.tokens import Caller, caller
from shared.identifiers import Role
from shared.postgres.pool import Connection, Pool
from shared.privacy.keys import Vault
from shared.procedures.catalogue import Catalogue

READERS: Final = (
    Role.OFFICE_SPECIALIST,
    Role.RESPONSIBLE_EXECUTOR,
    Role.HEAD,
    Role.MANAGEMENT,
    Role.OPERATOR,
)
LOOKS_BACK_MAX: Final = 4
"""Looks into the past that one process works on at a time."""
ANEW_S_MAX: Final = 30.0
"""How long a question waits while the tables are folded anew; after that it is 503, come again."""
_ASK_AGAIN_S: Final = 0.1
Reader = Annotated[Caller, caller(*READERS)]
Colleague = Annotated[Caller, caller(*READERS, Role.ADMINISTRATOR)]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]
After = Annotated[str | None, Query(max_length=100, description="`next` of the list before")]


@dataclass(frozen=True, slots=True)
class Casebook:
    """What the routes work with."""

    pool: Pool
    tail: Tail
    follower: Follower
    feed: Feed
    opener: Opener
    vault: Vault
    procedures: Catalogue
    read_wait_s: float
    looks_back: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_BACK_MAX))

    @asynccontextmanager
    async def reading(self, position: LogPosition | None = None) -> AsyncIterator[Connection]:
        """A connection, once that position is folded. Raises Lost, Unavailable."""
        await self.tail.folded(position, self.read_wait_s)
        with asking():
            async with self.pool.acquire(timeout=self.read_wait_s) as connection:
                yield connection


class Patient(APIRoute):
    """Asks again when the tables are gone: they are folded anew and come back all at once (D14)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of a request; every question here may be asked twice."""
        ask = super().get_route_handler()

        async def patiently(request: Request) -> Response:
            until = time.monotonic() + ANEW_S_MAX
            while True:
                try:
                    return await ask(request)
                except Lost:
                    if time.monotonic() > until:
                        raise
                await asyncio.sleep(_ASK_AGAIN_S)

        return patiently


async def _casebook(request: Request) -> Casebook:
    found: Casebook | None = request.app.state.runner.book
    if found is None:
        raise Unavailable("casebook is starting")
    return found


Book = Annotated[Casebook, Depends(_casebook)]


def scope(who: Caller) -> str | None:
    """The office whose cases somebody sees; None: all, since operators run the whole system."""
    return None if Role.OPERATOR in who.roles else who.office


def key_of(text: str | None) -> UUID | None:
    """Where a list goes on that is in the order of case ids."""
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise _no_key() from None


def due_key(due: datetime, case_id: UUID) -> str:
    """Where a list goes on that is in the order of dues."""
    return base64.urlsafe_b64encode(f"{due.isoformat()} {case_id}".encode()).decode().rstrip("=")


def due_key_of(text: str | None) -> tuple[datetime, UUID] | None:
    """What `due_key` wrote."""
    if text is None:
        return None
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        due, case_id = plain.split(" ")
        at = datetime.fromisoformat(due)
        if at.tzinfo is None:
            raise _no_key()
        return at, UUID(case_id)
    except (ValueError, binascii.Error):
        raise _no_key() from None


def _no_key() -> Refused:
    return Refused(
        "a list goes on from where it told",
        expected="the `next` of the list before",
        found="something else",
        because=Because.INPUT,
        field="after",
    )
