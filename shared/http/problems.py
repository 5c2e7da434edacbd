"""Errors as HTTP tells them: problem details (RFC 9457). The only file that gives status codes.

`described.py` lists them for the OpenAPI documents.

No answer repeats what the request said: that could be a person's. The names of fields appear
only when the API declares them.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Because, Conflict, Refused, Unavailable
from shared.http.described import PROBLEM_TYPE
from shared.http.fields import invalid_fields, invalid_json
from shared.http.json_text import BadJson
from shared.identifiers import new_id
from shared.observability import metrics

_log = structlog.get_logger()

_REFUSED: Final = {
    Because.INPUT: HTTPStatus.UNPROCESSABLE_ENTITY,
    Because.ACTOR: HTTPStatus.FORBIDDEN,
    Because.STATE: HTTPStatus.CONFLICT,
    Because.UNKNOWN: HTTPStatus.NOT_FOUND,
}


class BadToken(Exception):
    """Nobody is known to be asking. The reason is one of ours, never a part of the token."""

    def __init__(self, reason: str, *, was_given: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.was_given = was_given


class Missing(Exception):
    """What was asked for does not exist, or not for who asks. Names the kind, never the key."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def problem(
    status: int,
    kind: str,
    title: str,
    *,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem of the type `/problems/<kind>`; members that are None are left out."""
    body: dict[str, object] = {"type": f"/problems/{kind}", "title": title, "status": int(status)}
    body |= {name: value for name, value in (members or {}).items() if value is not None}
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        status_code=int(status),
        headers=dict(headers or {}),
        media_type=PROBLEM_TYPE,
    )


def refused(error: Refused) -> Response:
    """A rule said no: 422 by the input, 403 by the actor, 409 by the state of the case."""
    members = {
        "detail": str(error),
        "because": error.because.value,
        "rule": error.rule,
        "expected": error.expected,
        "found": error.found,
        "clause": error.clause,
        "field": error.field,
    }
    return problem(_REFUSED[error.because], "refused", "A rule says no", members=members)


def conflict() -> Response:
    """Somebody else was first."""
    title = "Somebody else wrote first: read again and decide again"
    return problem(HTTPStatus.CONFLICT, "conflict", title)


def unavailable(what: str, retry_after_s: int) -> Response:
    """Nothing was recorded; the same request may succeed later."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "Not now: wait and repeat",
        members={"detail": what},
        headers={"Retry-After": str(retry_after_s)},
    )


def unwell(failing: Mapping[str, str]) -> Response:
    """What a probe answers when something it asks is dead or not ready, and why it is."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unwell",
        "Not well",
        members={"failing": list(failing), "detail": "; ".join(failing.values())},
    )


def unauthorized(error: BadToken) -> Response:
    """Without a token, or with one that does not count (RFC 6750)."""
    challenge = 'Bearer realm="qyzmet"'
    if error.was_given:
        challenge += f', error="invalid_token", error_description="{error.reason}"'
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "A valid token is needed",
        members={"detail": error.reason},
        headers={"WWW-Authenticate": challenge},
    )


def missing(error: Missing) -> Response:
    """There is no such thing."""
    return problem(HTTPStatus.NOT_FOUND, "missing", "Not found", members={"detail": error.what})


def body_too_large(bytes_max: int) -> Response:
    """The body has more bytes than this route takes; the rest of it was not read."""
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        members={"bytes_max": bytes_max},
        headers={"Connection": "close"},
    )


def body_too_slow(wait_s: float) -> Response:
    """The body did not come in time."""
    return problem(
        HTTPStatus.REQUEST_TIMEOUT,
        "body-too-slow",
        "The body did not come in time",
        members={"wait_s": wait_s},
        headers={"Connection": "close"},
    )


def wrong_content_type(accepted: str) -> Response:
    """The body says it is something else, or does not say what it is."""
    return problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "wrong-content-type",
        "The body is of another kind",
        members={"accepted": accepted},
        headers={"Accept": accepted},
    )


def unexpected(error_id: str) -> Response:
    """A bug, or a fault nobody foresaw: what happened stands in the log under this id."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "unexpected",
        "Something went wrong here; it is recorded under this id",
        members={"error_id": error_id},
    )


def invalid(app: FastAPI, error: RequestValidationError) -> Response:
    """All wrong fields at once, so that nobody has to find them one by one."""
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "The request is not of the declared form",
        members={"errors": invalid_fields(app, error)},
    )


def bad_json(app: FastAPI, bad: BadJson) -> Response:
    """The body is no JSON, or JSON of a kind that nobody should send."""
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        "The request is not of the declared form",
        members={"errors": [invalid_json(app, bad)]},
    )


def not_served(error: HTTPException) -> Response:
    """What the framework refuses before any route is asked: unknown paths, methods."""
    status = HTTPStatus(error.status_code)
    kind = status.phrase.lower().replace(" ", "-")
    return problem(status, kind, status.phrase, headers=error.headers)


def install(app: FastAPI) -> None:
    """Make an application answer every error by a problem."""
    for kind in (
        Refused,
        Conflict,
        Unavailable,
        BadToken,
        Missing,
        RequestValidationError,
        HTTPException,
    ):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(UnexpectedErrors)


async def _answer(request: Request, error: Exception) -> Response:
    match error:
        case Refused():
            answer = refused(error)
        case Conflict():
            answer = conflict()
        case Unavailable():
            answer = unavailable(error.what, error.retry_after_s)
        case BadToken():
            answer = unauthorized(error)
        case Missing():
            answer = missing(error)
        case RequestValidationError():
            answer = invalid(request.app, error)
        case HTTPException():
            answer = not_served(error)
        case _:
            raise error
    return answer


class UnexpectedErrors:
    """Answers what nothing else answered: 500 with an id, under which the log tells the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; the outermost place where an exception can still be answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            error_id = str(new_id())
            _log.exception("request_failed", error_id=error_id)
            metrics.UNEXPECTED_ERRORS.inc()
            if has_started:
                # Half an answer is out: only a broken connection tells the client so.
                raise
            await unexpected(error_id)(scope, receive, send)
