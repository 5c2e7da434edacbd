"""Routes that every stage has for its operators: what stands aside, and what to do about it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from shared.holding import ResolveParked
from shared.http.described import OF_WHAT_CHANGES
from shared.http.tokens import Caller, caller
from shared.identifiers import CaseId, Role
from shared.journal.answers import RunningShell, origin_of

Operator = Annotated[Caller, caller(Role.OPERATOR)]


class ParkedRecord(BaseModel):
    """A record that stands aside. What it says is not shown: it may be anything."""

    case_id: CaseId
    topic: str
    partition: int
    offset: int
    event_id: UUID | None
    reason: str
    waits: bool
    """It waits for a record before it; false: for an operator."""
    parked_at: str
    case_reason: str | None
    """Why the case takes no commands; null while it only waits."""


class Resolution(BaseModel):
    """What an operator does about a case, and why. `skip` names one record of it."""

    model_config = ConfigDict(extra="forbid")

    how: Literal["retry", "skip"]
    reason: str = Field(min_length=1, max_length=2000)
    partition: int = Field(default=0, ge=0, le=2**15 - 1)
    offset: int = Field(default=0, ge=0, le=2**63 - 1)


class Resolved(BaseModel):
    """What came of it: how many records were read, and the stage's last place in the case."""

    case_id: CaseId
    read: int
    sequence: int


router = APIRouter(tags=["operating"])


@router.get("/parked")
async def parked(
    shell: RunningShell,
    _operator: Operator,
    case_id: Annotated[UUID | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ParkedRecord]:
    """The records that stand aside at this stage, oldest first."""
    rows = await shell.resolving.standing_aside(
        CaseId(case_id) if case_id is not None else None, limit
    )
    return [ParkedRecord(**{**row, "parked_at": row["parked_at"].isoformat()}) for row in rows]


@router.post(
    "/cases/{case_id}/parked",
    response_model=Resolved,
    responses=OF_WHAT_CHANGES,
)
async def resolve(
    request: Request, case_id: UUID, wanted: Resolution, shell: RunningShell, operator: Operator
) -> JSONResponse:
    """Retry all records of a case in order, or go on without the named one and retry the rest."""
    command = ResolveParked(
        case_id=CaseId(case_id),
        actor=operator.actor,
        partition=wanted.partition,
        offset=wanted.offset,
        how="skipped" if wanted.how == "skip" else "retried",
        reason=wanted.reason,
    )
    done = await shell.resolving.resolve(command, origin_of(request, operator, None, b""))
    told: dict[str, Any] = {
        "case_id": str(done.case_id),
        "read": done.read,
        "sequence": done.sequence,
    }
    return JSONResponse(told)
