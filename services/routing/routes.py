"""Routing over HTTP: the head names the executor; the staff directory is kept."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.routing.commands import (
    AssignExecutor,
    NameActingHead,
    RecordAbsence,
    RecordStaffMember,
)
from shared.http.described import OF_WHAT_MAY_BE_MISSING
from shared.http.tokens import MAY_ACT_AS_HEAD, Caller, caller
from shared.identifiers import DEPARTMENT, CaseId, OfficeId, Role, StaffId
from shared.journal.answers import (
    OF_A_COMMAND,
    Answered,
    Asking,
    RunningShell,
    answered,
    origin_of,
)
from shared.journal.desk import Wish

router = APIRouter(tags=["routing"])

Head = Annotated[Caller, caller(*MAY_ACT_AS_HEAD)]
Administrator = Annotated[Caller, caller(Role.ADMINISTRATOR)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExecutorChoice(_Body):
    """Who answers for the case, and the head's instruction on the papers."""

    executor: StaffId
    instruction: Text | None = None


class StaffMember(_Body):
    """Who somebody is to the department."""

    office: OfficeId
    roles: tuple[Role, ...] = Field(max_length=len(Role))
    active: bool = True
    full_name: Text


class Absence(_Body):
    """When somebody is away, both days included."""

    first_day: date
    last_day: date
    reason: Literal["leave", "sick-leave", "business-trip", "other"]


class Acting(_Body):
    """Who acts in a role of an office, both days included."""

    role: Literal[Role.HEAD, Role.MANAGEMENT]
    office: OfficeId
    staff: StaffId
    first_day: date
    last_day: date


@router.put("/cases/{case_id}/executor", response_model=Answered, responses=OF_A_COMMAND)
async def assign_executor(
    case_id: UUID,
    choice: ExecutorChoice,
    head: Head,
    asked: Asking,
) -> JSONResponse:
    """The head names the responsible executor of a case (R2 5.2, R3 5.2, R4 5.2)."""
    command = AssignExecutor(
        case_id=CaseId(case_id),
        actor=head.actor,
        executor=choice.executor,
        instruction=choice.instruction,
    )
    return await asked.perform(head, command)


@router.put("/staff/{staff}", response_model=Answered, responses=OF_A_COMMAND)
async def record_staff_member(
    request: Request,
    staff: StaffId,
    member: StaffMember,
    shell: RunningShell,
    administrator: Administrator,
) -> JSONResponse:
    """Record who works here. Into an empty directory the first entry is made by this rule."""
    async with shell.stage.pool.acquire() as connection:
        is_empty = not (await shell.stage.directory(connection)).members
    command = RecordStaffMember(
        case_id=DEPARTMENT,
        actor="rule:bootstrap" if is_empty else administrator.actor,
        staff=staff,
        office=member.office,
        roles=member.roles,
        active=member.active,
        full_name=member.full_name,
    )
    origin = origin_of(request, administrator, None, b"")
    return answered(await shell.desk.perform(Wish(command, origin, opens=True)))


@router.post("/staff/{staff}/absences", response_model=Answered, responses=OF_A_COMMAND)
async def record_absence(
    staff: StaffId,
    absence: Absence,
    administrator: Administrator,
    asked: Asking,
) -> JSONResponse:
    """Record that somebody is away."""
    command = RecordAbsence(
        case_id=DEPARTMENT,
        actor=administrator.actor,
        staff=staff,
        first_day=absence.first_day,
        last_day=absence.last_day,
        reason=absence.reason,
    )
    return await asked.perform(administrator, command)


@router.post(
    "/acting",
    response_model=Answered,
    responses={**OF_A_COMMAND, **OF_WHAT_MAY_BE_MISSING},
)
async def name_acting(acting: Acting, administrator: Administrator, asked: Asking) -> JSONResponse:
    """Record who acts for the head or the management of an office."""
    command = NameActingHead(
        case_id=DEPARTMENT,
        actor=administrator.actor,
        role=acting.role,
        office=acting.office,
        staff=acting.staff,
        first_day=acting.first_day,
        last_day=acting.last_day,
    )
    return await asked.perform(administrator, command)
