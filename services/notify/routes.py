"""Notify over HTTP: the office registers the result and issues it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from services.notify.commands import IssueResult, Receiver, Way
from shared.http.tokens import Caller, caller
from shared.identifiers import CaseId, Role
from shared.journal.answers import OF_A_COMMAND, Answered, Asking

router = APIRouter(tags=["notify"])

OfficeSpecialist = Annotated[Caller, caller(Role.OFFICE_SPECIALIST)]


class Issue(BaseModel):
    """How the result goes out, and to whom."""

    model_config = ConfigDict(extra="forbid")

    way: Way
    to: Receiver = "applicant"


@router.put("/cases/{case_id}/result", response_model=Answered, responses=OF_A_COMMAND)
async def issue_result(
    case_id: UUID,
    issue: Issue,
    specialist: OfficeSpecialist,
    asked: Asking,
) -> JSONResponse:
    """The office registers the result and issues it (R2 5.5, R3 5.5, R4 5.5)."""
    command = IssueResult(
        case_id=CaseId(case_id), actor=specialist.actor, way=issue.way, to=issue.to
    )
    return await asked.perform(specialist, command)
