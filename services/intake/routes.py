"""Intake over HTTP: applications, one or many; registration; papers; withdrawal; erasure."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from msgspec.json import Encoder
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.intake.commands import (
    AddPaper,
    RegisterApplication,
    RejectRequest,
    RequestWithdrawal,
)
from services.intake.erasure import erase_applicant
from services.intake.lodging import Application, Lodging, lodge
from shared.errors import Because, Refused
from shared.events.intake import Document
from shared.http import problems
from shared.http.described import OF_WHAT_CHANGES, OF_WHAT_MAY_BE_MISSING, Responses
from shared.http.fields import names_of, shown_place
from shared.http.idempotency import RequiredKey
from shared.http.tokens import Caller, caller
from shared.identifiers import ApplicantRef, CaseId, Code, Role
from shared.journal.answers import (
    OF_A_COMMAND,
    Answered,
    Asking,
    RunningShell,
    answered,
    body_of,
    origin_of,
    status_of,
)
from shared.journal.desk import Answer

router = APIRouter(tags=["intake"])

OfficeSpecialist = Annotated[Caller, caller(Role.OFFICE_SPECIALIST)]
Operator = Annotated[Caller, caller(Role.OPERATOR)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]
BATCH_MAX = 500
_CANONICAL: Final = Encoder(order="sorted")
"""By the same bytes a repeat is known, whatever the order of its names."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Batch(_Body):
    """Up to 500 applications, each with a key of its own; each is answered on its own."""

    applications: list[dict[str, Any]] = Field(min_length=1, max_length=BATCH_MAX)


class Keyed(_Body):
    """One application of a batch."""

    key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
    application: Application


class Item(Answered):
    """One application of a batch that was taken in: what it alone would have been answered."""

    status: int


class NotTaken(BaseModel):
    """One application of a batch that was refused: a problem, as it alone would have got it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int


class BatchAnswered(BaseModel):
    """The answers, in the order of the applications."""

    answers: list[Item | NotTaken]


class Erased(BaseModel):
    """The cases whose keys are destroyed."""

    cases: list[UUID]


REPEATED: Responses = {
    int(HTTPStatus.OK): {"model": Answered, "description": "The same request came before"}
}
_DECLARED = names_of(Keyed.model_json_schema())


class Rejection(_Body):
    """Why a request is turned away: a message of the regulation and the check behind it."""

    message: Code
    check: Code
    remark: Text | None = None


class Reason(_Body):
    """Free text of the applicant, if any was given."""

    reason: Text | None = None


class Person(_Body):
    """Whose data are erased: by IIN, or by the reference that the log knows."""

    iin: str | None = Field(default=None, max_length=20)
    applicant: UUID | None = None


@router.post(
    "/applications",
    status_code=HTTPStatus.CREATED,
    response_model=Answered,
    responses={**REPEATED, **OF_A_COMMAND},
)
async def lodge_application(
    request: Request,
    application: Application,
    key: RequiredKey,
    shell: RunningShell,
    specialist: OfficeSpecialist,
) -> JSONResponse:
    """Take an application in (R2 5.1, R3 5.1, R4 5.1)."""
    origin = origin_of(request, specialist, key, await request.body())
    answer = (await lodge(shell, [Lodging(application, specialist, origin)]))[0]
    if isinstance(answer, Refused):
        raise answer
    return answered(answer, created=True)


@router.post("/applications/batch", response_model=BatchAnswered, responses=OF_WHAT_CHANGES)
async def lodge_batch(
    request: Request, batch: Batch, shell: RunningShell, specialist: OfficeSpecialist
) -> JSONResponse:
    """Take up to 500 applications in; the answers come in the order of the applications."""
    answers: list[dict[str, Any] | None] = []
    lodgings: list[Lodging] = []
    for given in batch.applications:
        try:
            item = Keyed.model_validate(given)
        except ValidationError as error:
            answers.append(_invalid(error))
            continue
        origin = origin_of(request, specialist, item.key, _CANONICAL.encode(given))
        lodgings.append(Lodging(item.application, specialist, origin))
        answers.append(None)
    told = iter(await lodge(shell, lodgings))
    filled = [_told(next(told)) if answer is None else answer for answer in answers]
    return JSONResponse({"answers": filled})


@router.put("/cases/{case_id}/registration", response_model=Answered, responses=OF_A_COMMAND)
async def register_application(
    case_id: UUID,
    specialist: OfficeSpecialist,
    asked: Asking,
) -> JSONResponse:
    """Register what was lodged and send it to the head (R2 5.1, R3 6.1, R4 5.1)."""
    command = RegisterApplication(case_id=CaseId(case_id), actor=specialist.actor)
    return await asked.perform(specialist, command)


@router.put("/cases/{case_id}/rejection", response_model=Answered, responses=OF_A_COMMAND)
async def reject_request(
    case_id: UUID,
    rejection: Rejection,
    specialist: OfficeSpecialist,
    asked: Asking,
) -> JSONResponse:
    """Turn a request away before it is registered, with a message that says why."""
    command = RejectRequest(
        case_id=CaseId(case_id),
        actor=specialist.actor,
        message=rejection.message,
        check=rejection.check,
        remark=rejection.remark,
    )
    return await asked.perform(specialist, command)


@router.post("/cases/{case_id}/papers", response_model=Answered, responses=OF_A_COMMAND)
async def add_paper(
    case_id: UUID,
    document: Document,
    specialist: OfficeSpecialist,
    asked: Asking,
) -> JSONResponse:
    """Take a further paper for a running case."""
    command = AddPaper(case_id=CaseId(case_id), actor=specialist.actor, document=document)
    return await asked.perform(specialist, command)


@router.post("/cases/{case_id}/withdrawal", response_model=Answered, responses=OF_A_COMMAND)
async def request_withdrawal(
    case_id: UUID,
    wish: Reason,
    specialist: OfficeSpecialist,
    asked: Asking,
) -> JSONResponse:
    """Take down the applicant's wish to withdraw; whoever holds the case answers it."""
    command = RequestWithdrawal(case_id=CaseId(case_id), actor=specialist.actor, reason=wish.reason)
    return await asked.perform(specialist, command)


@router.post(
    "/applicants/erasure",
    response_model=Erased,
    responses={**OF_WHAT_MAY_BE_MISSING, **OF_WHAT_CHANGES},
)
async def erase(
    request: Request, person: Person, shell: RunningShell, operator: Operator
) -> JSONResponse:
    """Destroy the keys of all finished cases of a person; refused while one is open."""
    origin = origin_of(request, operator, None, b"")
    applicant = None if person.applicant is None else ApplicantRef(person.applicant)
    done = await erase_applicant(shell, operator.actor, origin, person.iin, applicant)
    return JSONResponse({"cases": [str(case_id) for case_id in done]})


def _told(answer: Answer | Refused) -> dict[str, Any]:
    if isinstance(answer, Refused):
        refusal = problems.refused(answer)
        told: dict[str, Any] = json.loads(bytes(refusal.body))
        return told
    return {"status": int(status_of(answer, created=True)), **body_of(answer)}


def _invalid(error: ValidationError) -> dict[str, Any]:
    """What is wrong with one application of a batch; names fields, never values."""
    places = sorted({shown_place(item["loc"], _DECLARED) for item in error.errors()})
    return _told(
        Refused(
            "an application is of the declared form",
            expected="the fields that the description of this route names",
            found="; ".join(places[:10])[:500],
            because=Because.INPUT,
            field=places[0][:100] if places else None,
        )
    )
