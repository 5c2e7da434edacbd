"""The result goes out, and what is said of the message about it."""

import pytest

from services.notify.commands import (
    IssueByRule,
    IssueResult,
    NotifyCommand,
    RecordNotice,
    Way,
)
from services.notify.decider import DECIDER
from services.notify.state import NotifyCase
from shared.decider import Errand
from shared.errors import Because
from shared.events.event import Event
from shared.events.executor import NotificationDrafted
from shared.events.holder import CaseWithdrawn, StageOverdue, WithdrawalDeclined
from shared.events.notify import NoticeFailed, NoticeSent, ResultIssued
from shared.holding import MarkOverdue, WithdrawCase
from shared.identifiers import Source, Step
from tests.rules.samples import (
    ASKED,
    DIGEST,
    HOME_EDUCATION,
    ISSUING,
    NUMBER,
    PROSTHETICS,
    REFERRALS,
    SIGNED,
    SIGNING,
    Service,
    for_each_service,
    returned,
)
from tests.rules.scenario import (
    CASE,
    ELSEWHERE,
    EXECUTOR,
    HEAD,
    LATER,
    NOW,
    OFFICE_CLERK,
    Scenario,
    Told,
    event_id,
)

BY_RULE = IssueByRule(case_id=CASE, actor="rule:issue-to-account")
SENT = NoticeSent(way="sms", template="result-issued", sent_at=NOW)
ANSWER = WithdrawCase(case_id=CASE, actor="rule:withdrawal")


def issue(way: Way = "desk", actor: str = OFFICE_CLERK) -> IssueResult:
    return IssueResult(case_id=CASE, actor=actor, way=way)


def notify(*told: Told | Event) -> Scenario[NotifyCommand, NotifyCase]:
    return Scenario(DECIDER).given(*told)


@for_each_service
def test_the_office_registers_and_issues_what_was_signed(service: Service) -> None:
    notify(*service.until_notify()).when(issue()).then(
        ResultIssued(
            result_number=f"{NUMBER}/1",
            outcome="granted",
            result_kind=service.result_kind,
            digest=DIGEST,
            way="desk",
            to="applicant",
            issued_at=NOW,
        )
    )


def test_a_refusal_is_issued_as_a_refusal() -> None:
    refusal = NotificationDrafted(
        outcome="refused",
        ground="court-ban",
        ground_clause="LSS 19-1.4",
        result_kind="assignment-of-benefit",
        digest="e" * 64,
        drafted_at=NOW,
        due=SIGNING,
        private="erased",
    )
    told = [*HOME_EDUCATION.until_signing(), returned(), refusal, SIGNED]
    event = notify(*told).when(issue()).then_one()
    assert isinstance(event, ResultIssued)
    assert (event.outcome, event.digest) == ("refused", "e" * 64)


def test_a_representative_can_take_the_result() -> None:
    command = IssueResult(CASE, OFFICE_CLERK, "desk", to="representative")
    event = notify(*HOME_EDUCATION.until_notify()).when(command).then_one()
    assert isinstance(event, ResultIssued)
    assert event.to == "representative"


@pytest.mark.parametrize(
    ("service", "ways"),
    [
        (PROSTHETICS, {"desk"}),
        (HOME_EDUCATION, {"desk", "state-corporation", "personal-account"}),
        (REFERRALS, {"desk", "personal-account"}),
    ],
)
def test_a_result_goes_out_in_the_ways_of_its_regulation(service: Service, ways: set[str]) -> None:
    every: tuple[Way, ...] = ("desk", "state-corporation", "personal-account")
    for way in every:
        scenario = notify(*service.until_notify()).when(issue(way))
        if way in ways:
            scenario.then_one()
        else:
            scenario.then_refused(
                "a result goes out in a way the regulation knows",
                Because.INPUT,
                f"{service.regulation} 3",
            )


@for_each_service
@pytest.mark.parametrize("actor", [HEAD, EXECUTOR, ELSEWHERE, "rule:x"])
def test_only_an_office_specialist_issues(service: Service, actor: str) -> None:
    notify(*service.until_notify()).when(issue(actor=actor)).then_not_allowed(service.clause(5))


def test_a_result_is_issued_once_and_not_before_it_is_signed() -> None:
    notify(*HOME_EDUCATION.until_issued()).when(issue()).then_refused("the case runs")
    notify(*HOME_EDUCATION.until_signing()).when(issue()).then_refused(
        "only the holder of a case decides on it"
    )
    notify().when(issue()).then_refused("the case is known here", Because.UNKNOWN)


# ---- by rule -------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", [HOME_EDUCATION, REFERRALS])
def test_an_electronic_result_goes_to_the_personal_account_by_itself(service: Service) -> None:
    scenario = notify(*service.until_notify(by_rule=(Step.ISSUE,)))
    assert scenario.reaction() == BY_RULE
    event = scenario.when(BY_RULE).then_one()
    assert isinstance(event, ResultIssued)
    assert (event.way, event.to) == ("personal-account", "applicant")


def test_paper_waits_for_a_person() -> None:
    scenario = notify(*PROSTHETICS.until_notify(by_rule=(Step.ISSUE,)))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_nothing()


def test_nothing_is_issued_by_itself_where_the_case_was_not_lodged_so() -> None:
    scenario = notify(*HOME_EDUCATION.until_notify(by_rule=(Step.SIGN,)))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_refused(
        "a rule acts only where the case was lodged so", Because.ACTOR, "R3 5.5"
    )


# ---- withdrawals ---------------------------------------------------------------------------------


def test_a_wish_that_comes_before_the_result_is_met() -> None:
    scenario = notify(*HOME_EDUCATION.until_notify(by_rule=(Step.ISSUE,)), ASKED)
    assert scenario.reaction() == ANSWER
    asked = event_id(Source.INTAKE, 3)
    scenario.when(ANSWER).then(CaseWithdrawn(request=asked, withdrawn_at=NOW))


def test_a_wish_that_comes_after_the_result_is_declined_once() -> None:
    scenario = notify(*HOME_EDUCATION.until_issued(), ASKED)
    assert scenario.reaction() == ANSWER
    declined = WithdrawalDeclined(request=event_id(Source.INTAKE, 3), declined_at=NOW)
    scenario.when(ANSWER).then(declined)
    scenario.given(Told(declined, source=Source.NOTIFY))
    assert scenario.reaction() is None
    scenario.when(ANSWER).then_nothing()


def test_a_wish_that_somebody_else_answers_is_left_alone() -> None:
    assert notify(*HOME_EDUCATION.until_signing(), ASKED).reaction() is None


# ---- the message to the applicant ----------------------------------------------------------------


def test_a_result_asks_for_one_message_if_the_applicant_wanted_it() -> None:
    told = HOME_EDUCATION.until_issued(notice="sms")
    expected = Errand(event_id=event_id(Source.NOTIFY, 1), case_id=CASE, kind="notice")
    assert notify(*told).errands() == [expected]
    assert notify(*told, ASKED).errands() == [expected], "the same one, until it is made"
    assert notify(*told, SENT).errands() == []
    assert notify(*HOME_EDUCATION.until_issued()).errands() == []


def test_what_became_of_the_message_is_told_once() -> None:
    told = HOME_EDUCATION.until_issued(notice="sms")
    sent = RecordNotice(CASE, "rule:notice", "sent")
    failed = RecordNotice(CASE, "rule:notice", "failed", "no-such-number")
    notify(*told).when(sent).then(SENT)
    notify(*told).when(failed).then(
        NoticeFailed(way="sms", template="result-issued", reason="no-such-number", failed_at=NOW)
    )
    notify(*told, SENT).when(failed).then_nothing()
    notify(*told, SENT).when(sent).then_nothing()


def test_nothing_is_told_of_a_message_that_nobody_wanted() -> None:
    sent = RecordNotice(CASE, "rule:notice", "sent")
    notify(*HOME_EDUCATION.until_issued()).when(sent).then_nothing()
    notify(*HOME_EDUCATION.until_notify(notice="sms")).when(sent).then_nothing()


def test_a_failed_message_has_a_reason() -> None:
    told = HOME_EDUCATION.until_issued(notice="email")
    notify(*told).when(RecordNotice(CASE, "rule:notice", "failed")).then_refused(
        "a failed message has a reason", Because.INPUT
    )


# ---- the term ------------------------------------------------------------------------------------


def test_a_signed_notification_has_its_term_to_be_issued() -> None:
    scenario = notify(*HOME_EDUCATION.until_notify())
    assert DECIDER.due(scenario.case) == ISSUING.at
    command = DECIDER.on_time(CASE, ISSUING.at)
    assert command == MarkOverdue(CASE, "rule:deadline", Step.ISSUE, ISSUING.at)
    overdue = StageOverdue(step=Step.ISSUE, due=ISSUING, noticed_at=LATER)
    scenario.at(LATER).when(command).then(overdue)
    notify(*HOME_EDUCATION.until_issued()).when(command).then_nothing()
