"""How a command over HTTP is carried to the desk, and its answer back."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from shared.decider import Command
from shared.http.described import OF_WHAT_CHANGES, Responses
from shared.http.idempotency import OptionalKey, idempotency_key
from shared.http.positions import LogPosition, MinPosition
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


OF_A_COMMAND: Final[Responses] = {
    int(HTTPStatus.ACCEPTED): {"model": Answered, "description": "Recorded, not yet published"},
    **OF_WHAT_CHANGES,
}
"""What a command answers besides 200, for the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a command: who may repeat it under which key, what must be read before."""

    request: Request
    shell: Shell
    key: str | None
    min_position: LogPosition | None

    async def perform(self, caller: Caller, command: Command) -> JSONResponse:
        """Put a command before the desk and answer 200 or 202. Raises what the desk raises."""
        origin = origin_of(self.request, caller, self.key, await self.request.body())
        least = self.min_position
        read = None if least is None else (least.partition, least.offset)
        return answered(await self.shell.desk.perform(Wish(command, origin), read))


async def _asked(
    request: Request,
    shell: RunningShell,
    key: OptionalKey = None,
    min_position: MinPosition = None,
) -> Asked:
    return Asked(request, shell, key, min_position)


Asking = Annotated[Asked, Depends(_asked)]
"""A route's parameter for a command; `Idempotency-Key` and `min_position` are optional."""


def origin_of(request: Request, caller: Caller, key: str | None, body: bytes) -> Origin:
    """Where a request's events come from. The key counts per caller and route."""
    route = f"{request.method} {request.url.path}"
    return Origin(
        office=caller.office,
        traceparent=current_traceparent(),
        idempotency_key=(None if key is None else idempotency_key(caller.actor, route, key, body)),
    )


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
