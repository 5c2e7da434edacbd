"""What intake decides: who comes in, with what, and what becomes of the request."""

from collections.abc import Sequence
from typing import assert_never

from services.intake.commands import (
    AddPaper,
    ErasePersonalData,
    IntakeCommand,
    LodgeApplication,
    RegisterApplication,
    RejectRequest,
    RequestWithdrawal,
)
from services.intake.state import SOURCE, IntakeCase
from shared.course import Lodged, paper_of
from shared.decider import Known
from shared.errors import Because, Refused
from shared.events.event import Event, Remark
from shared.events.intake import (
    ApplicationLodged,
    ApplicationRegistered,
    Document,
    PaperAdded,
    PersonalDataErased,
    RequestRejected,
    WithdrawalRequested,
)
from shared.holding import (
    MarkOverdue,
    ResolveParked,
    WithdrawCase,
    decide_as_holder,
    held_here,
    known_here,
    only,
    only_operator,
    regulation,
    running,
)
from shared.identifiers import CaseId, Role, Step, registration_number
from shared.papers import only_known_kinds
from shared.procedures.catalogue import DeletedProcedure, UnknownProcedure
from shared.procedures.due import Due
from shared.procedures.models import Procedure
from shared.procedures.outside import RuleKind

INCOMPLETE = RuleKind.INCOMPLETE_PACKAGE_NOT_ACCEPTED
"""The one reason outside the resolution for not accepting an application (LSS 20.2)."""

_AFTER_REGISTRATION = (Step.ASSIGN, Step.DRAFT, Step.SIGN, Step.ISSUE)


def decide(  # noqa: PLR0911  (one line for each command)
    command: IntakeCommand, case: IntakeCase, known: Known
) -> list[Event]:
    """One function for each command."""
    match command:
        case LodgeApplication():
            return lodge_application(command, case, known)
        case RegisterApplication():
            return register_application(command, case, known)
        case RejectRequest():
            return reject_request(command, case, known)
        case AddPaper():
            return add_paper(command, case, known)
        case RequestWithdrawal():
            return request_withdrawal(command, case, known)
        case ErasePersonalData():
            return erase_personal_data(command, case, known)
        case WithdrawCase() | MarkOverdue() | ResolveParked():
            return decide_as_holder(command, case, SOURCE, known)
        case _:
            assert_never(command)


def lodge_application(command: LodgeApplication, case: IntakeCase, known: Known) -> list[Event]:
    """The office takes papers in for a service, in a channel and for a result that it knows."""
    if case.course.lodged is not None:
        raise Refused("an application is lodged once", expected="a new case", found="a lodged one")
    procedure = _known_procedure(command, known)
    register = procedure.step(Step.REGISTER)
    only(known, command.actor, Role.OFFICE_SPECIALIST, command.office, register.clause)
    _accepted_channel(command, procedure)
    result_kind = _result_kind(command, procedure)
    _of_known_kinds(command.documents, procedure, known, "documents")
    due = known.term(procedure, Step.REGISTER)
    lodged = ApplicationLodged(
        procedure=procedure.id,
        edition=procedure.edition,
        procedure_digest=procedure.digest,
        channel=command.channel,
        office=command.office,
        applicant=command.applicant,
        result_kind=result_kind,
        documents=command.documents,
        by_rule=command.by_rule,
        notice=command.notice,
        lodged_at=known.now,
        due=due,
        private=command.private,
    )
    if Step.REGISTER not in command.by_rule:
        return [lodged]
    return [lodged, _registered(command.case_id, procedure, due, known)]


def register_application(
    command: RegisterApplication, case: IntakeCase, known: Known
) -> list[Event]:
    """The office registers what was lodged, once, and the head's time begins."""
    lodged = known_here(case.course)
    procedure = regulation(known, lodged)
    clause = procedure.step(Step.REGISTER).clause
    only(known, command.actor, Role.OFFICE_SPECIALIST, lodged.office, clause)
    if case.registered:
        return []
    held_here(case.course, SOURCE)
    return [_registered(command.case_id, procedure, case.registering_due, known)]


def reject_request(command: RejectRequest, case: IntakeCase, known: Known) -> list[Event]:
    """A request that is not registered is turned away, only with a message the law knows."""
    lodged = known_here(case.course)
    procedure = regulation(known, lodged)
    clause = procedure.step(Step.REGISTER).clause
    only(known, command.actor, Role.OFFICE_SPECIALIST, lodged.office, clause)
    held_here(case.course, SOURCE)
    return [
        RequestRejected(
            message=command.message,
            check=command.check,
            clause=_message_clause(command, lodged, procedure, known),
            rejected_at=known.now,
            private=Remark(text=command.remark) if command.remark else None,
        )
    ]


def add_paper(command: AddPaper, case: IntakeCase, known: Known) -> list[Event]:
    """The office takes a further paper of a known kind, as long as the case runs."""
    lodged = known_here(case.course)
    procedure = regulation(known, lodged)
    clause = procedure.step(Step.REGISTER).clause
    only(known, command.actor, Role.OFFICE_SPECIALIST, lodged.office, clause)
    running(case.course)
    _of_known_kinds([command.document], procedure, known, "document")
    if paper_of(command.document) in case.course.documents:
        return []
    return [PaperAdded(document=command.document, added_at=known.now)]


def request_withdrawal(command: RequestWithdrawal, case: IntakeCase, known: Known) -> list[Event]:
    """The office takes down the applicant's wish, one at a time, as long as the case runs."""
    lodged = known_here(case.course)
    clause = regulation(known, lodged).step(Step.REGISTER).clause
    only(known, command.actor, Role.OFFICE_SPECIALIST, lodged.office, clause)
    running(case.course)
    if case.course.open_request is not None:
        raise Refused(
            "one wish to withdraw at a time",
            expected="no wish that waits for its answer",
            found="one",
        )
    reason = Remark(text=command.reason) if command.reason else None
    return [WithdrawalRequested(requested_at=known.now, private=reason)]


def erase_personal_data(command: ErasePersonalData, case: IntakeCase, known: Known) -> list[Event]:
    """An operator has the person's data of a finished case made unreadable, once and for ever."""
    lodged = known_here(case.course)
    only_operator(known, command.actor)
    if case.course.erased:
        return []
    if case.course.ending is None:
        raise Refused(
            "only a finished case is erased", expected="a case that is over", found="a running one"
        )
    return [PersonalDataErased(applicant=lodged.applicant, erased_at=known.now)]


def _registered(
    case_id: CaseId, procedure: Procedure, registering: Due, known: Known
) -> ApplicationRegistered:
    prefix = "".join(word[0] for word in procedure.id.split("-")[:2]).upper()
    return ApplicationRegistered(
        registration_number=registration_number(case_id, prefix, known.today.year),
        registered_at=known.now,
        due=known.term(procedure, Step.ASSIGN),
        whole_due=due_of_the_whole_chain(procedure, registering, known),
    )


def due_of_the_whole_chain(procedure: Procedure, registering: Due, known: Known) -> Due:
    """The terms of all steps, one after another, from the end of the first: minutes, then days.

    The resolution states no sum (R2 5, R3 5, R4 5); the clause is that of the last step.
    """
    due = registering
    for name in _AFTER_REGISTRATION:
        due = known.term(procedure, name, due.at)
    return due


def _known_procedure(command: LodgeApplication, known: Known) -> Procedure:
    try:
        return known.procedures.procedure(command.procedure, command.edition)
    except DeletedProcedure as gone:
        raise Refused(
            "a regulation that was deleted takes no applications",
            expected="a regulation with a text",
            found=f"{gone.procedure}, deleted",
            because=Because.INPUT,
            clause=gone.clause,
            field="procedure",
        ) from None
    except UnknownProcedure as unknown:
        raise Refused(
            "an application is for a service of the resolution",
            expected=", ".join(unknown.known),
            found=f"{command.procedure}, edition {command.edition}",
            because=Because.INPUT,
            field="procedure",
        ) from None


def _accepted_channel(command: LodgeApplication, procedure: Procedure) -> None:
    if not procedure.accepts(command.channel):
        raise Refused(
            "an application comes in through a channel of the regulation",
            expected=", ".join(found.channel.value for found in procedure.channels),
            found=command.channel.value,
            because=Because.INPUT,
            clause=procedure.channels[0].clause,
            field="channel",
        )


def _result_kind(command: LodgeApplication, procedure: Procedure) -> str:
    """The result asked for; where the regulation has only one, nobody needs to ask (R4 3)."""
    kinds = [found.kind.value for found in procedure.result_kinds]
    if command.result_kind is None and len(kinds) == 1:
        return kinds[0]
    if command.result_kind not in kinds:
        raise Refused(
            "a result of the regulation is asked for",
            expected=", ".join(kinds),
            found=command.result_kind or "none",
            because=Because.INPUT,
            clause=procedure.result.clause,
            field="result_kind",
        )
    return command.result_kind


def _of_known_kinds(
    documents: Sequence[Document], procedure: Procedure, known: Known, field: str
) -> None:
    outside = known.procedures.outside(procedure.id, procedure.edition)
    only_known_kinds([document.kind for document in documents], procedure, outside, field)


def _message_clause(
    command: RejectRequest, lodged: Lodged, procedure: Procedure, known: Known
) -> str:
    """The clause of the message: a refusal branch of the case's channel, or the law's LSS 20.2."""
    if command.message == INCOMPLETE.value == command.check:
        outside = known.procedures.outside(procedure.id, procedure.edition)
        rules = outside.rules
        return next(found.clause for found in rules if found.rule is INCOMPLETE and found.clause)
    for message in procedure.refusal_messages:
        checks = procedure.process(message.condition).checks
        if (
            message.id == command.message
            and message.channel is lodged.channel
            and command.check in {check.value for check in checks}
        ):
            return message.clause
    raise Refused(
        "a request is turned away with a message of the regulation",
        expected=f"a message and check of {lodged.channel.value}, or {INCOMPLETE.value}",
        found=f"{command.message}, {command.check}",
        because=Because.INPUT,
        field="message",
    )
