"""From an application as a client sends it to the command: the person's IIN, reference and key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.intake.commands import LodgeApplication
from services.intake.state import claim_of
from shared.clock import DEPARTMENT_ZONE, now
from shared.errors import Because, Refused, Unavailable
from shared.events.intake import Applicant, Document
from shared.http.tokens import Caller
from shared.identifiers import ApplicantRef, CaseId, Channel, Code, new_id
from shared.iin import InvalidIin, check_iin
from shared.journal.desk import Answer, Wish
from shared.journal.service import Shell
from shared.journal.work import Origin
from shared.privacy.sealing import CaseKey
from shared.procedures.catalogue import (
    DEFAULT_EDITIONS,
    DeletedProcedure,
    UnknownProcedure,
)
from shared.procedures.models import Procedure

_log = structlog.get_logger()

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\t\n\r]+$")
]
Name = Annotated[Line, StringConstraints(max_length=200)]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
FieldText = Annotated[str, StringConstraints(max_length=5_000)]


class NamedApplicant(BaseModel):
    """The applicant as a client names them; letters of any alphabet, as the papers have them.

    Of a name nobody asks more: who somebody is, the IIN says (docs/decisions/0028).
    """

    model_config = ConfigDict(extra="forbid")

    iin: Annotated[str, StringConstraints(max_length=100)]
    surname: Name
    given_name: Name
    patronymic: Name | None = None
    birth_date: date | None = None
    phone: Annotated[Line, StringConstraints(max_length=50)] | None = None
    email: Annotated[Line, StringConstraints(max_length=254)] | None = None
    address: Annotated[str, StringConstraints(max_length=1_000)] | None = None
    language: Literal["kk", "ru", "en"] = "kk"
    form: dict[FieldName, FieldText] = Field(default_factory=dict, max_length=100)

    def sealed_part(self) -> Applicant:
        """As the log will carry it."""
        return Applicant(**dict(self))


class Application(BaseModel):
    """An application. The person's data travel sealed; `synthetic` marks made-up people."""

    model_config = ConfigDict(extra="forbid")

    procedure: Code
    result_kind: Code | None = None
    channel: Channel = Channel.OFFICE
    applicant: NamedApplicant
    documents: Annotated[tuple[Document, ...], Field(max_length=50)] = ()
    notice: Literal["sms", "email"] | None = None
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Lodging:
    """An application with who hands it in."""

    application: Application
    specialist: Caller
    origin: Origin


async def lodge(shell: Shell, lodgings: Sequence[Lodging]) -> list[Answer | Refused]:
    """Lodge applications in one transaction, each answered on its own, in their order.

    Raises Unavailable when nothing could be recorded.
    """
    answers: list[Answer | Refused | None] = []
    sound: list[tuple[Lodging, Procedure]] = []
    for lodging in lodgings:
        try:
            sound.append((lodging, _checked(shell, lodging.application)))
            answers.append(None)
        except Refused as refused:
            answers.append(refused)
    wishes = await _wishes(shell, sound)
    done = await shell.desk.perform_all(wishes) if wishes else []
    await _discard_unused_keys(shell, wishes, done)
    told = iter(done)
    return [next(told) if answer is None else answer for answer in answers]


async def _discard_unused_keys(
    shell: Shell, wishes: Sequence[Wish], done: Sequence[Answer | Refused]
) -> None:
    """A refused or repeated application made no case: the key made for one goes again."""
    unused = [
        wish.command.case_id
        for wish, answer in zip(wishes, done, strict=True)
        if isinstance(answer, Refused) or answer.case_id != wish.command.case_id
    ]
    if not unused:
        return
    try:
        await shell.stage.vault.erase(unused)
    except Unavailable:
        # The answer stands. A key that sealed nothing opens nothing.
        _log.warning("unused_keys_kept", count=len(unused))


async def _wishes(shell: Shell, sound: Sequence[tuple[Lodging, Procedure]]) -> list[Wish]:
    """The commands, with a reference for each person and a new key for each case."""
    iins = [lodging.application.applicant.iin for lodging, _ in sound]
    references = await shell.stage.vault.applicants(iins)
    cases = {CaseId(new_id()): references[iin] for iin in iins}
    keys = await shell.stage.vault.create_keys(cases)
    return [
        _wish(shell, lodging, procedure, case_id, applicant, keys[case_id])
        for (lodging, procedure), (case_id, applicant) in zip(sound, cases.items(), strict=True)
    ]


def _wish(
    shell: Shell,
    lodging: Lodging,
    procedure: Procedure,
    case_id: CaseId,
    applicant: ApplicantRef,
    key: CaseKey,
) -> Wish:
    application = lodging.application
    command = LodgeApplication(
        case_id=case_id,
        actor=lodging.specialist.actor,
        procedure=procedure.id,
        edition=procedure.edition,
        channel=application.channel,
        office=lodging.specialist.office,
        applicant=applicant,
        private=application.applicant.sealed_part(),
        documents=application.documents,
        result_kind=application.result_kind,
        by_rule=shell.settings.by_rule(lodging.specialist.office, procedure.id),
        notice=application.notice,
    )
    return Wish(
        command=command,
        origin=Origin(
            office=lodging.origin.office,
            traceparent=lodging.origin.traceparent,
            idempotency_key=lodging.origin.idempotency_key,
            synthetic=application.synthetic,
        ),
        opens=True,
        claim=claim_of(applicant, procedure.id),
        key=key,
    )


def _checked(shell: Shell, application: Application) -> Procedure:
    """The procedure that takes this application now, after the person's IIN was checked."""
    try:
        check_iin(application.applicant.iin, now().astimezone(DEPARTMENT_ZONE).date())
    except InvalidIin as invalid:
        raise Refused(
            invalid.rule,
            expected=invalid.expected,
            found=invalid.found,
            because=Because.INPUT,
            field="applicant.iin",
        ) from None
    _born(application)
    _contact(application)
    try:
        return shell.stage.procedures.in_force(
            application.procedure, {**DEFAULT_EDITIONS, **shell.settings.editions}
        )
    except DeletedProcedure as deleted:
        raise Refused(
            "a service is asked for that has a regulation",
            expected="a regulation that was not deleted",
            found=str(deleted),
            because=Because.INPUT,
            clause=deleted.clause,
            field="procedure",
        ) from None
    except UnknownProcedure as unknown:
        raise Refused(
            "a service is asked for that has a regulation",
            expected=str(unknown),
            found="another one",
            because=Because.INPUT,
            field="procedure",
        ) from None


def _born(application: Application) -> None:
    """Nobody applies before the day of birth, in the department's own calendar."""
    born = application.applicant.birth_date
    if born is not None and born > now().astimezone(DEPARTMENT_ZONE).date():
        raise Refused(
            "an applicant has been born",
            expected="a past date",
            found="a future date",
            because=Because.INPUT,
            field="applicant.birth_date",
        )


def _contact(application: Application) -> None:
    """Who wants to be told has to say where."""
    applicant = application.applicant
    address = {"sms": applicant.phone, "email": applicant.email, None: "none needed"}
    if not address[application.notice]:
        field = "applicant.phone" if application.notice == "sms" else "applicant.email"
        raise Refused(
            "who asks to be told says where",
            expected="an address for the chosen way",
            found="none",
            because=Because.INPUT,
            field=field,
        )
