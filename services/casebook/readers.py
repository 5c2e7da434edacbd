"""Who reads, and what of it: roles, offices, positions to wait for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from services.casebook.feed import Feed
from services.casebook.following import Follower
from services.casebook.indexing import Indexer
from services.casebook.opening import Opener
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
_ASK_AGAIN_S: Final = (0.1, 0.8)
"""How soon a waiting question is asked again, at first and at last: each time takes work from the
fold for which it waits."""
Reader = Annotated[Caller, caller(*READERS)]
Colleague = Annotated[Caller, caller(*READERS, Role.ADMINISTRATOR)]


@dataclass(frozen=True, slots=True)
class Casebook:
    """What the routes work with."""

    pool: Pool
    tail: Tail
    follower: Follower
    feed: Feed
    opener: Opener
    vault: Vault
    indexer: Indexer
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

    def require_procedure(self, name: str) -> None:
        """Raises Refused for one that no case can be of: to find none, all would be looked at."""
        known = sorted({each for each, _ in self.procedures.procedures})
        if name not in known:
            raise Refused(
                "cases are of a procedure that has a regulation",
                expected=", ".join(known),
                found="another one",
                because=Because.INPUT,
                field="procedure",
            )


class Patient(APIRoute):
    """Asks again when the tables are gone: they are folded anew and come back all at once (D14)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of a request; every question here may be asked twice."""
        ask = super().get_route_handler()

        async def patiently(request: Request) -> Response:
            until = time.monotonic() + ANEW_S_MAX
            pause_s, longest_s = _ASK_AGAIN_S
            while True:
                try:
                    return await ask(request)
                except Lost:
                    if time.monotonic() > until:
                        raise
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, longest_s)

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
