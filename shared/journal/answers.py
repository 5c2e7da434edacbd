"""How a command over HTTP is carried to the desk, and its answer back."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from shared.http.idempotency import idempotency_key
from shared.http.positions import LogPosition
from shared.http.tokens import Caller
from shared.identifiers import CaseId
from shared.journal.desk import Answer, Wish
from shared.journal.service import Shell, shell_of
from shared.journal.work import Origin
from shared.observability.tracing import current_traceparent

RunningShell = Annotated[Shell, Depends(shell_of)]
"""A route's access to the shell; the route answers 503 while the stage is not ready."""


class Answered(BaseModel):
    """What a command's answer says.

    `position` is the place of its last event in the log, `partition:offset`: send it back as
    `min_position` to read what you wrote. It is null while publication is pending (202).
    """

    case_id: CaseId
    position: str | None
    sequence: int
    """The place of the case's last event in this service's own order."""
    repeated: bool
    """The same request was answered before; this is that answer."""


def origin_of(request: Request, caller: Caller, key: str | None, body: bytes) -> Origin:
    """Where a request's events come from. The key counts per caller and route."""
    route = f"{request.method} {request.url.path}"
    return Origin(
        office=caller.office,
        traceparent=current_traceparent(),
        idempotency_key=(None if key is None else idempotency_key(caller.actor, route, key, body)),
    )


async def perform(
    request: Request,
    shell: Shell,
    caller: Caller,
    command: Any,
    *,
    key: str | None = None,
    min_position: LogPosition | None = None,
) -> JSONResponse:
    """Put a command before the desk and answer 200 or 202. Raises what the desk raises."""
    origin = origin_of(request, caller, key, await request.body())
    read = None if min_position is None else (min_position.partition, min_position.offset)
    answer = await shell.desk.perform(Wish(command, origin), read)
    return answered(answer)


def answered(answer: Answer, *, created: bool = False) -> JSONResponse:
    """The answer as JSON: 201 where something new was made, 202 while it is not published."""
    return JSONResponse(body_of(answer), status_of(answer, created=created))


def status_of(answer: Answer, *, created: bool) -> HTTPStatus:
    """The status of an answer; a repeat of a creation is 200: nothing was made this time."""
    if answer.position is None and answer.sequence > 0:
        return HTTPStatus.ACCEPTED
    return HTTPStatus.CREATED if created and not answer.repeated else HTTPStatus.OK


def body_of(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer."""
    return {
        "case_id": str(answer.case_id),
        "position": answer.position,
        "sequence": answer.sequence,
        "repeated": answer.repeated,
    }
