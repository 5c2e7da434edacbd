"""Whose case it is, which papers are asked for, what the result says."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.commands import (
    DraftByRule,
    DraftNotification,
    ExecutorCommand,
    ReassignExecutor,
    RequestPaper,
)
from services.executor.decider import DECIDER
from services.executor.rules import digest_of
from services.executor.state import ExecutorCase
from shared.errors import Because
from shared.events.event import Event, Remark
from shared.events.executor import (
    ExecutorReassigned,
    Notification,
    NotificationDrafted,
    PaperRequested,
)
from shared.events.holder import CaseWithdrawn, StageOverdue
from shared.events.intake import Document, PaperAdded
from shared.holding import MarkOverdue, WithdrawCase
from shared.identifiers import Channel, Source, Step
from tests.rules.samples import (
    ASKED,
    DIGEST,
    DRAFTING,
    HOME_EDUCATION,
    NOTIFICATION,
    PROSTHETICS,
    REFERRALS,
    Service,
    for_each_service,
    returned,
)
from tests.rules.scenario import (
    CASE,
    COLLEAGUE,
    DOUBLE,
    ELSEWHERE,
    EXECUTOR,
    HEAD,
    LATER,
    MANAGEMENT,
    NOW,
    OFFICE_CLERK,
    Scenario,
    Told,
    event_id,
)

BY_RULE = DraftByRule(case_id=CASE, actor="rule:checks-confirmed")
GRANT = DraftNotification(CASE, EXECUTOR, "granted", NOTIFICATION)
REASSIGNED = ExecutorReassigned(
    executor="erlan", previous="dana", reassigned_at=NOW, private=Remark(text="leave")
)


def executor(*told: Told | Event) -> Scenario[ExecutorCommand, ExecutorCase]:
    return Scenario(DECIDER).given(*told)


def refuse(ground: str | None) -> DraftNotification:
    return DraftNotification(CASE, EXECUTOR, "refused", NOTIFICATION, ground)


def added(kind: str) -> PaperAdded:
    return PaperAdded(document=Document(kind=kind, state="provided"), added_at=NOW)


# ---- drafting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "due"),
    [
        # From Monday 12 January 2026, 09:00 in the city.
        (PROSTHETICS, datetime(2026, 1, 14, 18, 59, 59, tzinfo=UTC)),
        (HOME_EDUCATION, datetime(2026, 1, 13, 18, 59, 59, tzinfo=UTC)),
        (REFERRALS, NOW + timedelta(minutes=4)),
    ],
)
def test_the_responsible_executor_draws_up_and_the_time_to_sign_runs(
    service: Service, due: datetime
) -> None:
    event = executor(*service.until_executor()).when(GRANT).then_one()
    assert isinstance(event, NotificationDrafted)
    assert (event.outcome, event.ground, event.ground_clause) == ("granted", None, None)
    assert (event.result_kind, event.digest) == (service.result_kind, DIGEST)
    assert event.private == NOTIFICATION
    assert (event.due.at, event.due.clause) == (due, service.clause(4))


def test_a_notification_without_a_salt_gets_one() -> None:
    unsalted = Notification(salt="", text="Yes.")
    command = DraftNotification(CASE, EXECUTOR, "granted", unsalted)
    event = executor(*HOME_EDUCATION.until_executor()).when(command).then_one()
    assert isinstance(event, NotificationDrafted)
    assert event.private == Notification(salt="a fresh salt", text="Yes.")
    assert event.digest == digest_of(Notification(salt="a fresh salt", text="Yes."))


def test_the_digest_is_of_all_that_the_notification_says() -> None:
    assert digest_of(NOTIFICATION) == digest_of(NOTIFICATION.model_copy())
    for changed in ({"text": "No."}, {"salt": "other"}, {"facts": {"until": "2026-12-31"}}):
        assert digest_of(NOTIFICATION.model_copy(update=changed)) != DIGEST


@for_each_service
@pytest.mark.parametrize("actor", [COLLEAGUE, DOUBLE, HEAD, OFFICE_CLERK, ELSEWHERE, "rule:x"])
def test_nobody_but_the_responsible_executor_draws_up(service: Service, actor: str) -> None:
    command = DraftNotification(CASE, actor, "granted", NOTIFICATION)
    executor(*service.until_executor()).when(command).then_not_allowed(service.clause(3))


def test_after_a_reassignment_the_new_executor_draws_up_and_the_old_one_does_not() -> None:
    told = [*HOME_EDUCATION.until_executor(), REASSIGNED]
    by_colleague = DraftNotification(CASE, COLLEAGUE, "granted", NOTIFICATION)
    executor(*told).when(by_colleague).then_one()
    executor(*told).when(GRANT).then_not_allowed("R3 5.3")


def test_an_executor_who_went_on_leave_does_not_draw_up() -> None:
    on_leave = DraftNotification(CASE, "staff:gulnar", "granted", NOTIFICATION)
    told = [*HOME_EDUCATION.until_executor(), REASSIGNED.model_copy(update={"executor": "gulnar"})]
    executor(*told).when(on_leave).then_not_allowed()


@for_each_service
def test_a_result_is_granted_on_complete_papers_only(service: Service) -> None:
    for paper in service.papers:
        scenario = executor(*service.until_executor(missing=paper))
        scenario.when(GRANT).then_refused("a result is granted on complete papers")
        scenario.given(added(paper)).when(GRANT).then_one()


def test_a_paper_listed_as_missing_is_missing() -> None:
    scenario = executor(*HOME_EDUCATION.until_executor(missing="bank-account"))
    still = PaperAdded(document=Document(kind="bank-account", state="missing"), added_at=NOW)
    scenario.given(still).when(GRANT).then_refused("a result is granted on complete papers")


def test_an_identity_document_is_there_when_one_of_its_kinds_is() -> None:
    scenario = executor(*REFERRALS.until_executor(missing="identity-document"))
    scenario.given(added("residence-permit")).when(GRANT).then_one()


def test_through_the_portal_a_referral_asks_for_no_paper_of_the_office() -> None:
    # R4 4: the identity document is the ground in the office; on the portal it is the e-request.
    told = REFERRALS.until_executor(missing="identity-document", channel=Channel.PORTAL)
    executor(*told).when(GRANT).then_one()


def test_what_was_asked_for_is_waited_for_before_granting() -> None:
    requested = PaperRequested(papers=("power-of-attorney",), requested_at=NOW)
    scenario = executor(*HOME_EDUCATION.until_executor(), requested)
    scenario.when(GRANT).then_refused("a result is granted on complete papers")
    scenario.given(added("power-of-attorney")).when(GRANT).then_one()


@for_each_service
@pytest.mark.parametrize(
    ("ground", "clause"),
    [
        ("untrue-documents", "LSS 19-1.1"),
        ("requirements-not-met", "LSS 19-1.2"),
        ("negative-answer-of-state-body", "LSS 19-1.3"),
        ("court-ban", "LSS 19-1.4"),
        ("special-right-withdrawn", "LSS 19-1.5"),
    ],
)
def test_a_service_is_refused_on_a_ground_of_the_law_on_state_services(
    service: Service, ground: str, clause: str
) -> None:
    told = service.until_executor(missing=service.papers[0])
    event = executor(*told).when(refuse(ground)).then_one()
    assert isinstance(event, NotificationDrafted)
    assert (event.outcome, event.ground, event.ground_clause) == ("refused", ground, clause)


@pytest.mark.parametrize("ground", [None, "we-have-no-money"])
def test_a_service_is_not_refused_on_another_ground(ground: str | None) -> None:
    executor(*HOME_EDUCATION.until_executor()).when(refuse(ground)).then_refused(
        "a service is refused on a ground of the law", Because.INPUT, "LSS 19-1"
    )


def test_a_grant_has_no_ground() -> None:
    command = DraftNotification(CASE, EXECUTOR, "granted", NOTIFICATION, "court-ban")
    executor(*HOME_EDUCATION.until_executor()).when(command).then_refused(
        "a ground is for refusals", Because.INPUT
    )


def test_a_notification_says_something() -> None:
    empty = DraftNotification(CASE, EXECUTOR, "granted", Notification(salt="s", text=" "))
    executor(*HOME_EDUCATION.until_executor()).when(empty).then_refused(
        "a notification says something", Because.INPUT
    )


def test_nothing_is_drawn_up_before_or_after_holding() -> None:
    rule = "only the holder of a case decides on it"
    executor(*HOME_EDUCATION.until_signing()).when(GRANT).then_refused(rule)
    executor(*HOME_EDUCATION.until_issued()).when(GRANT).then_refused("the case runs")
    executor().when(GRANT).then_refused("the case is known here", Because.UNKNOWN)


def test_a_draft_that_came_back_is_drawn_up_again() -> None:
    event = executor(*HOME_EDUCATION.until_signing(), returned()).when(GRANT).then_one()
    assert isinstance(event, NotificationDrafted)


# ---- by rule -------------------------------------------------------------------------------------


@for_each_service
def test_with_every_paper_there_the_rule_draws_up_in_both_languages(service: Service) -> None:
    scenario = executor(*service.until_executor(by_rule=(Step.DRAFT,)))
    assert scenario.reaction() == BY_RULE
    event = scenario.when(BY_RULE).then_one()
    assert isinstance(event, NotificationDrafted)
    assert event.outcome == "granted"
    assert isinstance(event.private, Notification)
    item = next(one for one in service.law.result_kinds if one.kind.value == service.result_kind)
    assert event.private.text == f"{item.text.kk}\n{item.text.ru}"
    assert event.private.salt == "a fresh salt"
    assert event.digest == digest_of(event.private)


@for_each_service
def test_without_a_required_paper_the_case_waits_for_the_executor(service: Service) -> None:
    scenario = executor(*service.until_executor(by_rule=(Step.DRAFT,), missing=service.papers[0]))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_nothing()
    scenario.given(added(service.papers[0]))
    assert scenario.reaction() == BY_RULE


def test_what_a_signer_gave_back_the_rule_does_not_draw_up_again() -> None:
    told = [*HOME_EDUCATION.until_signing(by_rule=(Step.DRAFT,)), returned()]
    scenario = executor(*told)
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_nothing()
    scenario.when(GRANT).then_one()


def test_a_rule_draws_up_only_where_the_case_was_lodged_so() -> None:
    scenario = executor(*HOME_EDUCATION.until_executor(by_rule=(Step.ASSIGN, Step.SIGN)))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_refused(
        "a rule acts only where the case was lodged so", Because.ACTOR, "R3 5.3"
    )


# ---- reassigning ---------------------------------------------------------------------------------


def reassign(to: str = "erlan", actor: str = HEAD, reason: str = "leave") -> ReassignExecutor:
    return ReassignExecutor(CASE, actor, to, reason)


@for_each_service
def test_the_head_gives_the_case_to_another_executor(service: Service) -> None:
    executor(*service.until_executor()).when(reassign()).then(REASSIGNED)


def test_the_first_term_stands_after_a_reassignment() -> None:
    scenario = executor(*HOME_EDUCATION.until_executor(), REASSIGNED)
    assert scenario.case.terms.standing(scenario.case.course) == DRAFTING
    assert DECIDER.due(scenario.case) == DRAFTING.at


@pytest.mark.parametrize("actor", [EXECUTOR, MANAGEMENT, ELSEWHERE, "rule:x"])
def test_only_the_head_reassigns(actor: str) -> None:
    executor(*HOME_EDUCATION.until_executor()).when(reassign(actor=actor)).then_not_allowed()


def test_the_new_executor_is_another_one_at_work_and_there_is_a_reason() -> None:
    scenario = executor(*HOME_EDUCATION.until_executor())
    scenario.when(reassign("dana")).then_nothing()
    scenario.when(reassign("gulnar")).then_refused(
        "a case is given to an executor who is at work", Because.INPUT
    )
    scenario.when(reassign(reason=" ")).then_refused("a reassignment has a reason", Because.INPUT)


def test_a_case_that_is_being_signed_is_not_reassigned() -> None:
    executor(*HOME_EDUCATION.until_signing()).when(reassign()).then_refused(
        "only the holder of a case decides on it"
    )


def test_a_case_can_be_reassigned_twice() -> None:
    event = executor(*HOME_EDUCATION.until_executor(), REASSIGNED).when(reassign("nurlan"))
    told = event.then_one()
    assert isinstance(told, ExecutorReassigned)
    assert (told.previous, told.executor) == ("erlan", "nurlan")


# ---- papers --------------------------------------------------------------------------------------


@for_each_service
def test_the_responsible_executor_asks_for_papers_of_known_kinds(service: Service) -> None:
    command = RequestPaper(CASE, EXECUTOR, (service.papers[0],), "Please bring it")
    executor(*service.until_executor()).when(command).then(
        PaperRequested(
            papers=(service.papers[0],), requested_at=NOW, private=Remark(text="Please bring it")
        )
    )


def test_papers_are_asked_for_by_the_responsible_executor_and_by_kind() -> None:
    scenario = executor(*HOME_EDUCATION.until_executor())
    paper = ("bank-account",)
    scenario.when(RequestPaper(CASE, COLLEAGUE, paper)).then_not_allowed("R3 5.3")
    scenario.when(RequestPaper(CASE, EXECUTOR, ("horoscope",))).then_refused(
        "papers are of known kinds, each once", Because.INPUT
    )
    scenario.when(RequestPaper(CASE, EXECUTOR, ())).then_refused(
        "a request names papers", Because.INPUT
    )


def test_no_papers_are_asked_for_once_the_draft_is_being_signed() -> None:
    command = RequestPaper(CASE, EXECUTOR, ("bank-account",))
    executor(*HOME_EDUCATION.until_signing()).when(command).then_refused(
        "only the holder of a case decides on it"
    )


# ---- withdrawals and terms -----------------------------------------------------------------------


def test_an_open_wish_is_answered_before_anything_by_rule() -> None:
    lodged, registered, assigned = HOME_EDUCATION.until_executor(by_rule=(Step.DRAFT,))
    withdrawn = CaseWithdrawn(request=event_id(Source.INTAKE, 3), withdrawn_at=NOW)
    for told in ([lodged, registered, assigned, ASKED], [lodged, registered, ASKED, assigned]):
        scenario = executor(*told)
        reaction = scenario.reaction()
        assert reaction == WithdrawCase(case_id=CASE, actor="rule:withdrawal")
        scenario.when(reaction).then(withdrawn)
        scenario.given(Told(withdrawn, source=Source.EXECUTOR))
        assert scenario.reaction() is None


def test_a_draft_that_comes_back_has_its_first_term_and_is_looked_at_again() -> None:
    scenario = executor(*HOME_EDUCATION.until_executor())
    assert DECIDER.due(scenario.case) == DRAFTING.at
    scenario.given(HOME_EDUCATION.drafted())
    assert DECIDER.due(scenario.case) is None
    scenario.given(returned())
    assert DECIDER.due(scenario.case) == DRAFTING.at
    command = MarkOverdue(CASE, "rule:deadline", Step.DRAFT, DRAFTING.at)
    assert DECIDER.on_time(CASE, DRAFTING.at) == command
    overdue = StageOverdue(step=Step.DRAFT, due=DRAFTING, noticed_at=LATER)
    scenario.at(LATER).when(command).then(overdue)


def test_overdue_is_said_once_for_a_term_though_the_draft_comes_back() -> None:
    overdue = Told(
        StageOverdue(step=Step.DRAFT, due=DRAFTING, noticed_at=LATER), source=Source.EXECUTOR
    )
    command = MarkOverdue(CASE, "rule:deadline", Step.DRAFT, DRAFTING.at)
    told = [*HOME_EDUCATION.until_executor(), overdue, HOME_EDUCATION.drafted(), returned()]
    executor(*told).when(command).then_nothing()


def test_nothing_is_overdue_while_somebody_else_holds() -> None:
    command = MarkOverdue(CASE, "rule:deadline", Step.DRAFT, DRAFTING.at)
    executor(*HOME_EDUCATION.until_signing()).when(command).then_nothing()
    executor(*HOME_EDUCATION.until_executor()).when(
        MarkOverdue(CASE, "rule:deadline", Step.SIGN, DRAFTING.at)
    ).then_nothing()


@given(st.text(max_size=50), st.text(max_size=200))
def test_a_notification_s_digest_is_that_of_its_canonical_json(salt: str, text: str) -> None:
    notification = Notification(salt=salt, text=text)
    values = notification.model_dump(mode="json")
    written = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest_of(notification) == hashlib.sha256(written.encode()).hexdigest()
