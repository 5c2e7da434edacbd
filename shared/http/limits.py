"""What may come in as a body: so many bytes, in so many seconds, and sound JSON.

The whole body is read here, before anything looks at it; the application then gets it at once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http import json_text, problems
from shared.http.json_text import BadJson

_JSON: Final = "application/json"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes per body, other numbers for single routes, and seconds until it is all here.

    `routes` goes by the exact path: a route with parameters in it has the general limit.
    """

    bytes_max: int = 2 * 1024 * 1024
    routes: Mapping[str, int] = field(default_factory=dict)
    wait_s: float = 30.0


class _ClientGone(Exception):
    """The client left before its body was complete: nobody waits for an answer."""


class _TooLarge(Exception):
    """More bytes came than may."""


class LimitedBodies:
    """See the module. A pure ASGI middleware."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if not length and b"transfer-encoding" not in headers and scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        bytes_max = self._limits.routes.get(scope["path"], self._limits.bytes_max)
        if length.isdigit() and int(length) > bytes_max:
            await problems.body_too_large(bytes_max)(scope, receive, send)
            return
        try:
            found = await self._body(receive, headers, bytes_max)
        except _ClientGone:
            return
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        try:
            if found:
                json_text.check(found)
        except BadJson as bad:
            await problems.bad_json(scope["app"], bad)(scope, receive, send)
            return
        await self._app(scope, _replayed(found, receive), send)

    async def _body(
        self, receive: Receive, headers: Mapping[bytes, bytes], bytes_max: int
    ) -> bytes | Response:
        """The body, or the problem with it."""
        try:
            async with asyncio.timeout(self._limits.wait_s):
                body = await _read(receive, bytes_max)
        except TimeoutError:
            return problems.body_too_slow(self._limits.wait_s)
        except _TooLarge:
            return problems.body_too_large(bytes_max)
        if body and not _is_json(headers.get(b"content-type", b"")):
            return problems.wrong_content_type(_JSON)
        return body


async def _read(receive: Receive, bytes_max: int) -> bytes:
    """All of the body, until it is one byte too long."""
    parts: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _ClientGone
        part: bytes = message.get("body", b"")
        total += len(part)
        if total > bytes_max:
            raise _TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _is_json(content_type: bytes) -> bool:
    kind, _, parameters = content_type.decode("latin-1").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    return kind.strip() == _JSON and charset in {"", "charset=utf-8"}


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body in one piece, and then what the server still has to say."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
