"""The live feed: server-sent events that say which cases changed, never what is in them (D15).

A client resumes with `Last-Event-ID`, `generation:change`, and misses nothing. When it was away
too long or reads too slowly, it is told to `reload`. When other tables became the live ones, it
goes on in them by the places of the log that were told, and misses nothing either; it reloads only
if they do not know what changed since.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.casebook import changes
from services.casebook.changes import Change, Reach, Span
from services.casebook.schemas import Schemas, asking, exists, one_look
from services.casebook.tailing import Tail
from shared.errors import Unavailable
from shared.postgres.pool import Connection, Pool

QUEUE_MAX: Final = 256
"""Messages that may wait for one client; one more, and it is told to reload."""
CHANGES_PER_MESSAGE: Final = 100
CATCH_UP_MAX: Final = 5_000
"""Changes that a returning client is told one by one; after more it reloads."""
HEARTBEAT_S: Final = 15.0
_LOOK_S: Final = 1.0
"""How long a returning client hears nothing while there is nothing to look at."""
_RETRY_MS: Final = 2_000
_DIGITS_MAX: Final = 18
_ALIVE: Final = b": still here\n\n"


@dataclass(eq=False, slots=True)
class _Client:
    """One stream: whose changes it may see (None: all), and what is still to be sent."""

    office: str | None
    messages: deque[bytes] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    must_reload: bool = False

    def hear(self, messages: Sequence[bytes]) -> None:
        """Queue what this client may know of; it must not wait."""
        if not messages or self.must_reload:
            return
        self.messages.extend(messages)
        if len(self.messages) > QUEUE_MAX:
            self.start_afresh()
        self.news.set()

    def forget(self) -> None:
        """Begin with an empty queue."""
        self.must_reload = False
        self.messages.clear()

    def start_afresh(self) -> None:
        """What is queued is not enough, or too much: the client reloads."""
        self.must_reload = True
        self.messages.clear()
        self.news.set()


class Feed:
    """All streams of this process, fed by one tail."""

    def __init__(self, pool: Pool, tail: Tail, schemas: Schemas, *, clients_max: int) -> None:
        self._schemas = schemas
        self._pool = pool
        self._tail = tail
        self._clients_max = clients_max
        self._clients: set[_Client] = set()
        self._is_closing = False
        tail.listeners.add(self._hear)

    def close(self) -> None:
        """End all streams: the process is about to stop."""
        self._is_closing = True
        for client in self._clients:
            client.news.set()

    def require_room(self) -> None:
        """Raises Unavailable when there are as many streams as there may be."""
        if self._is_closing or self._tail.reach is None:
            raise Unavailable("the live feed is not up", retry_after_s=2)
        if len(self._clients) >= self._clients_max:
            raise Unavailable("the live feed has no room", retry_after_s=10)

    async def stream(
        self, office: str | None, last_id: str | None, *, until: float
    ) -> AsyncIterator[bytes]:
        """The text of one stream, up to an instant (Unix time): that of the token's end."""
        client = _Client(office)
        self._clients.add(client)
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            # Another replica may have told it more than this one has seen of yet.
            while last_id is not None and not await self._tail.look_again(_LOOK_S):
                if self._is_closing or until <= time.time():
                    return
                yield _ALIVE
            # From here on the tail queues what is new; what is older comes from the table.
            client.forget()
            start = self._tail.reach
            if start is None:
                return
            async for message in self._beginning(client, start, last_id):
                yield message
            while not self._is_closing:
                for message in self._waiting(client):
                    yield message
                if (left_s := until - time.time()) <= 0:
                    # Without an id: what was queued just now is not told, and must be later.
                    yield _message("expired", None)
                    return
                if not await _set_within(client.news, min(left_s, HEARTBEAT_S)):
                    yield self._heartbeat(client)
        finally:
            self._clients.discard(client)

    def _hear(self, batch: Sequence[Change], generation: str) -> None:
        """Hand a batch to all clients, written once for each office; called by the tail."""
        written: dict[str | None, list[bytes]] = {}
        for client in self._clients:
            if not batch:
                client.start_afresh()
                continue
            if client.office not in written:
                seen = [each for each in batch if client.office in (None, each.office)]
                written[client.office] = _messages(seen, generation)
            client.hear(written[client.office])

    async def _beginning(
        self, client: _Client, start: Reach, last_id: str | None
    ) -> AsyncIterator[bytes]:
        """What a returning client missed, or where a new one stands."""
        if last_id is None:
            yield _message("connected", start)
            return
        missed = await self._missed(client, last_id, start)
        if missed is None or sum(len(told) for _, told in missed) > CATCH_UP_MAX:
            yield _message("reload", start)
            return
        for generation, told in missed:
            for message in _messages(told, generation):
                yield message
        yield _message("connected", start)

    async def _missed(
        self, client: _Client, last_id: str, start: Reach
    ) -> list[tuple[str, Sequence[Change]]] | None:
        """What changed since, by generation; None when that cannot be said, or not now."""
        try:
            with asking():
                async with one_look(self._pool, self._schemas.live) as connection:
                    found = await changes.reach(connection)
                    if found.generation != start.generation:
                        return None  # other tables became the live ones just now
                    number = _number(last_id, start)
                    if number is None:
                        return await self._missed_before(connection, client, last_id, start)
                    if number < found.oldest - 1:
                        return None  # forgotten since
                    span = Span(number, start.last, CATCH_UP_MAX + 1)
                    told = await changes.after(connection, span, office=client.office)
                    return [(start.generation, told)]
        except Unavailable:
            return None

    async def _missed_before(
        self, connection: Connection, client: _Client, last_id: str, start: Reach
    ) -> list[tuple[str, Sequence[Change]]] | None:
        """The same of a client that stands in the tables from before a swap, if they are kept."""
        kept = self._schemas.before
        if not await exists(connection, kept):
            return None
        before = await changes.reach(connection, kept)
        number = _number(last_id, before)
        if number is None:
            return None
        if any(start.next[place] < reached for place, reached in before.next.items()):
            return None  # a rollback has brought them beyond ours, which would tell that again
        most = CATCH_UP_MAX + 1
        told = await changes.after(
            connection, Span(number, before.last, most), office=client.office, schema=kept
        )
        rest = await changes.since(
            connection, before.next, to=start.last, most=most, office=client.office
        )
        if rest is None:
            return None
        return [(before.generation, told), (start.generation, rest)]

    def _waiting(self, client: _Client) -> list[bytes]:
        """All that is queued, or the one word that it was too much."""
        client.news.clear()
        must_reload, messages = client.must_reload, list(client.messages)
        client.forget()
        return [_message("reload", self._tail.reach)] if must_reload else messages

    def _heartbeat(self, client: _Client) -> bytes:
        """A comment; with the last number, so that a quiet office resumes from here."""
        reach = self._tail.reach
        if reach is None or client.messages or client.must_reload:
            return _ALIVE
        return f": still here\nid: {reach.generation}:{reach.last}\n\n".encode()


async def _set_within(event: asyncio.Event, wait_s: float) -> bool:
    """Wait for an event; whether it came in time."""
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _number(last_id: str | None, start: Reach) -> int | None:
    """The change a client stands at; None when it cannot be resumed from there."""
    generation, _, number = (last_id or "").partition(":")
    if generation != start.generation or not number.isdecimal() or len(number) > _DIGITS_MAX:
        return None
    stands_at = int(number)
    return stands_at if start.oldest - 1 <= stands_at <= start.last else None


def _messages(told: Sequence[Change], generation: str) -> list[bytes]:
    return [
        _changed(told[first : first + CHANGES_PER_MESSAGE], generation)
        for first in range(0, len(told), CHANGES_PER_MESSAGE)
    ]


def _changed(told: Sequence[Change], generation: str) -> bytes:
    listed = [
        {
            "case_id": str(change.case_id),
            "topic": change.topic,
            "position": f"{change.partition}:{change.offset}",
            "change": change.number,
        }
        for change in told
    ]
    return _text("changed", f"{generation}:{told[-1].number}", {"changes": listed})


def _message(event: str, reach: Reach | None) -> bytes:
    return _text(event, None if reach is None else f"{reach.generation}:{reach.last}", {})


def _text(event: str, id_: str | None, said: dict[str, object]) -> bytes:
    place = "" if id_ is None else f"id: {id_}\n"
    body = json.dumps(said, separators=(",", ":"))
    return f"{place}event: {event}\ndata: {body}\n\n".encode()
