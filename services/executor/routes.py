"""Executor over HTTP: drafting, asking for papers; the head's reassignment."""

import secrets
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.executor.commands import DraftNotification, ReassignExecutor, RequestPaper
from shared.events.executor import Notification
from shared.http.tokens import MAY_ACT_AS_HEAD, Caller, caller
from shared.identifiers import CaseId, Code, Role, StaffId
from shared.journal.answers import OF_A_COMMAND, Answered, Asking

router = APIRouter(tags=["executor"])

Head = Annotated[Caller, caller(*MAY_ACT_AS_HEAD)]
Executor = Annotated[Caller, caller(Role.RESPONSIBLE_EXECUTOR)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
FactName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
FactText = Annotated[str, StringConstraints(max_length=5_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Reassignment(_Body):
    """To whom the case goes, and why."""

    executor: StaffId
    reason: Text


class WantedPapers(_Body):
    """Which papers are missing, and what the applicant is told of it."""

    papers: tuple[Code, ...] = Field(min_length=1, max_length=50)
    message: Text | None = None


class Draft(_Body):
    """The result as the executor draws it up; a refusal names its ground."""

    outcome: Literal["granted", "refused"]
    ground: Code | None = None
    text: Text
    facts: dict[FactName, FactText] = Field(default_factory=dict, max_length=100)


@router.put("/cases/{case_id}/executor", response_model=Answered, responses=OF_A_COMMAND)
async def reassign_executor(
    case_id: UUID,
    reassignment: Reassignment,
    head: Head,
    asked: Asking,
) -> JSONResponse:
    """The head gives the case to another executor; the term runs on. Outside the resolution."""
    command = ReassignExecutor(
        case_id=CaseId(case_id),
        actor=head.actor,
        executor=reassignment.executor,
        reason=reassignment.reason,
    )
    return await asked.perform(head, command)


@router.post("/cases/{case_id}/wanted-papers", response_model=Answered, responses=OF_A_COMMAND)
async def request_paper(
    case_id: UUID,
    wanted: WantedPapers,
    executor: Executor,
    asked: Asking,
) -> JSONResponse:
    """The executor asks the applicant for papers; the term runs on. Outside the resolution."""
    command = RequestPaper(
        case_id=CaseId(case_id),
        actor=executor.actor,
        papers=wanted.papers,
        message=wanted.message,
    )
    return await asked.perform(executor, command)


@router.put("/cases/{case_id}/draft", response_model=Answered, responses=OF_A_COMMAND)
async def draft_notification(
    case_id: UUID,
    draft: Draft,
    executor: Executor,
    asked: Asking,
) -> JSONResponse:
    """The executor draws up the result and sends it to be signed (R2 5.3, R3 5.3, R4 5.3)."""
    notification = Notification(salt=secrets.token_urlsafe(18), text=draft.text, facts=draft.facts)
    command = DraftNotification(
        case_id=CaseId(case_id),
        actor=executor.actor,
        outcome=draft.outcome,
        notification=notification,
        ground=draft.ground,
    )
    return await asked.perform(executor, command)
