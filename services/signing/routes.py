"""Signing over HTTP: what waits to be signed, the signature, the return with a remark."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from services.signing.commands import ReturnNotification, SignNotification
from shared.http.tokens import MAY_ACT_AS_HEAD, Caller, caller
from shared.identifiers import CaseId, Digest
from shared.journal.answers import OF_A_COMMAND, Answered, Asking

router = APIRouter(tags=["signing"])

Signer = Annotated[Caller, caller(*MAY_ACT_AS_HEAD)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Signed(_Body):
    """The digest of what the signer was shown: what is signed is what was shown."""

    digest: Digest


class Returned(_Body):
    """Why the draft goes back."""

    remark: Text


@router.put("/cases/{case_id}/signature", response_model=Answered, responses=OF_A_COMMAND)
async def sign_notification(
    case_id: UUID,
    signed: Signed,
    signer: Signer,
    asked: Asking,
) -> JSONResponse:
    """The head, or for prosthetic aid the management, signs (R2 5.4, R3 5.4, R4 5.4)."""
    command = SignNotification(case_id=CaseId(case_id), actor=signer.actor, digest=signed.digest)
    return await asked.perform(signer, command)


@router.post("/cases/{case_id}/return", response_model=Answered, responses=OF_A_COMMAND)
async def return_notification(
    case_id: UUID,
    returned: Returned,
    signer: Signer,
    asked: Asking,
) -> JSONResponse:
    """The signer gives the draft back to the executor. Outside the resolution."""
    command = ReturnNotification(
        case_id=CaseId(case_id), actor=signer.actor, remark=returned.remark
    )
    return await asked.perform(signer, command)
