"""The message gateway: tells the applicant, by SMS or mail, that the result is there.

`POST /messages` with the event's id as `Idempotency-Key`: a call that is repeated after a crash
is one message. The gateway answers with the message's final status, or 202 while it has none.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from services.notify.commands import RecordNotice
from services.notify.state import NotifyCase
from shared.decider import Errand
from shared.errors import Unavailable
from shared.events.intake import Applicant
from shared.identifiers import Code
from shared.journal.errands import CarryOut
from shared.journal.service import Shell
from shared.postgres.faults import reachable
from shared.privacy.sealing import unseal

_WAIT_S: Final = 10.0
TEMPLATE: Final = "result-issued"
_TEXTS: Final = {
    "kk": "{number} өтінішіңіз бойынша нәтиже дайын.",
    "ru": "Результат по вашему заявлению {number} готов.",
    "en": "The result of your application {number} is ready.",
}
_CASE: Final = "SELECT state FROM cases WHERE case_id = $1"


class _Status(BaseModel):
    """What the gateway says became of a message."""

    model_config = ConfigDict(extra="ignore")

    delivered: bool
    code: Code | None = None


@asynccontextmanager
async def carry_out(shell: Shell) -> AsyncIterator[CarryOut]:
    """How notify carries out its errands."""

    async def tell(errand: Errand, last_attempt: bool) -> RecordNotice:
        try:
            reason = await _tell(shell, client, errand)
        except Unavailable:
            if not last_attempt:
                raise
            reason = "gateway-unreachable"
        return RecordNotice(
            case_id=errand.case_id,
            actor="rule:notice",
            outcome="sent" if reason is None else "failed",
            reason=reason,
        )

    async with httpx.AsyncClient(timeout=_WAIT_S) as client:
        yield tell


async def _tell(shell: Shell, client: httpx.AsyncClient, errand: Errand) -> str | None:
    """Send the message; why it can never be sent, or None when it was.

    Raises Unavailable while it may still be sent later.
    """
    if shell.settings.gateway_url is None:
        return "no-gateway"
    with reachable("the journal"):
        text = await shell.stage.pool.fetchval(_CASE, errand.case_id)
    case = NotifyCase.read(text)
    lodged, contact = case.course.lodged, case.contact
    assert lodged is not None, "an errand has its application"
    assert contact is not None, "only who asked to be told is told"
    keys = await shell.stage.vault.keys([errand.case_id])
    applicant = unseal(
        keys.get(errand.case_id),
        type_=contact.event_type,
        case_id=errand.case_id,
        event_id=contact.event_id,
        sealed=contact.sealed,
        model=Applicant,
    )
    if applicant is None:
        return "erased"
    message = {
        "way": lodged.notice,
        "to": applicant.phone if lodged.notice == "sms" else applicant.email,
        "template": TEMPLATE,
        "language": applicant.language,
        "text": _TEXTS[applicant.language].format(number=case.registration_number),
        "synthetic": lodged.synthetic,
    }
    return await _post(client, f"{shell.settings.gateway_url}/messages", errand, message)


async def _post(
    client: httpx.AsyncClient, url: str, errand: Errand, message: Mapping[str, object]
) -> str | None:
    try:
        answer = await client.post(
            url, json=message, headers={"Idempotency-Key": str(errand.event_id)}
        )
    except httpx.HTTPError as fault:
        raise Unavailable(f"the message gateway: {type(fault).__name__}") from None
    if answer.status_code != HTTPStatus.OK:
        raise Unavailable(f"the message gateway answered {answer.status_code}")
    try:
        status = _Status.model_validate_json(answer.content)
    except ValidationError:
        raise Unavailable("the message gateway answered something else") from None
    return None if status.delivered else status.code or "undelivered"
