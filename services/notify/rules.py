"""What notify decides: the result goes out, and what is said of the message about it."""

from functools import cache
from typing import assert_never

from services.notify.commands import (
    IssueByRule,
    IssueResult,
    NotifyCommand,
    Receiver,
    RecordNotice,
    Way,
)
from services.notify.state import SOURCE, NotifyCase
from shared.course import Lodged
from shared.decider import Known
from shared.errors import Because, Refused
from shared.events.event import Event
from shared.events.notify import NoticeFailed, NoticeSent, ResultIssued
from shared.holding import (
    MarkOverdue,
    ResolveParked,
    WithdrawCase,
    decide_as_holder,
    given,
    held_here,
    known_here,
    only,
    only_by_rule,
    regulation,
)
from shared.identifiers import Channel, Role, Step
from shared.procedures.kinds import ResultForm
from shared.procedures.models import Procedure

RESULT_READY = "result-issued"
"""The one message to the applicant so far: the result is there."""


def decide(command: NotifyCommand, case: NotifyCase, known: Known) -> list[Event]:
    """One function for each command."""
    match command:
        case IssueResult():
            return issue_result(command, case, known)
        case IssueByRule():
            return issue_by_rule(command, case, known)
        case RecordNotice():
            return record_notice(command, case, known)
        case WithdrawCase() | MarkOverdue() | ResolveParked():
            return decide_as_holder(command, case, SOURCE, known)
        case _:
            assert_never(command)


def issue_result(command: IssueResult, case: NotifyCase, known: Known) -> list[Event]:
    """The office registers what was signed and hands it out in a way the regulation knows."""
    lodged = known_here(case.course)
    procedure = regulation(known, lodged)
    only(
        known,
        command.actor,
        Role.OFFICE_SPECIALIST,
        lodged.office,
        procedure.step(Step.ISSUE).clause,
    )
    held_here(case.course, SOURCE)
    ways = ways_of(procedure)
    if command.way not in ways:
        raise Refused(
            "a result goes out in a way the regulation knows",
            expected=", ".join(sorted(ways)),
            found=command.way,
            because=Because.INPUT,
            clause=procedure.result.clause,
            field="way",
        )
    return [_issued(case, command.way, command.to, known)]


def issue_by_rule(command: IssueByRule, case: NotifyCase, known: Known) -> list[Event]:
    """An electronic result goes to the personal account by itself; paper needs a person."""
    lodged = held_here(case.course, SOURCE)
    only_by_rule(
        case.course,
        command.actor,
        Step.ISSUE,
        regulation(known, lodged).step(Step.ISSUE).clause,
    )
    if not goes_by_itself(lodged, known):
        return []
    return [_issued(case, "personal-account", "applicant", known)]


def record_notice(command: RecordNotice, case: NotifyCase, known: Known) -> list[Event]:
    """The message was sent or failed for good, once; nobody asked for it, nothing is said."""
    lodged = known_here(case.course)
    if lodged.notice is None or case.noticed or case.course.ending != "issued":
        return []
    if command.outcome == "sent":
        return [NoticeSent(way=lodged.notice, template=RESULT_READY, sent_at=known.now)]
    reason = given(command.reason or "", "a failed message has a reason", "reason")
    return [
        NoticeFailed(way=lodged.notice, template=RESULT_READY, reason=reason, failed_at=known.now)
    ]


@cache
def ways_of(procedure: Procedure) -> frozenset[Way]:
    """The ways in which a result may go out.

    Over the channels that the regulation names for issuing (R2 1, R3 1, R4 1), and to the
    personal account where the result may be electronic (R3 3, R4 3). Which of them for which
    case the text does not say: the office specialist chooses.
    """
    ways: set[Way] = set()
    if procedure.accepts(Channel.OFFICE):
        ways.add("desk")
    if procedure.accepts(Channel.STATE_CORPORATION):
        ways.add("state-corporation")
    if ResultForm.ELECTRONIC in procedure.result.forms and procedure.electronic_result:
        ways.add("personal-account")
    return frozenset(ways)


def goes_by_itself(lodged: Lodged, known: Known) -> bool:
    """Whether the result of this case can go out without a person."""
    return "personal-account" in ways_of(regulation(known, lodged))


def _issued(case: NotifyCase, way: Way, to: Receiver, known: Known) -> ResultIssued:
    return ResultIssued(
        result_number=f"{case.registration_number}/1",
        outcome=case.signed.outcome,
        result_kind=case.signed.result_kind,
        digest=case.signed.digest,
        way=way,
        to=to,
        issued_at=known.now,
    )
