"""A notification is signed, or goes back with a remark."""

from datetime import UTC, datetime, timedelta

import pytest

from services.signing.commands import (
    ReturnNotification,
    SignByRule,
    SigningCommand,
    SignNotification,
)
from services.signing.decider import DECIDER
from services.signing.state import SigningCase
from shared.errors import Because
from shared.events.event import Event, Remark
from shared.events.executor import ExecutorReassigned
from shared.events.holder import CaseWithdrawn, StageOverdue
from shared.events.signing import CertificateFacts, NotificationReturned, NotificationSigned
from shared.holding import MarkOverdue, WithdrawCase
from shared.identifiers import Source, Step
from tests.rules.samples import (
    ASKED,
    DIGEST,
    DRAFTING,
    HOME_EDUCATION,
    PROSTHETICS,
    REFERRALS,
    SIGNING,
    Service,
    for_each_service,
    returned,
)
from tests.rules.scenario import (
    CASE,
    DOUBLE,
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

BY_RULE = SignByRule(case_id=CASE, actor="rule:department-seal")
OTHER_DIGEST = "f" * 64


def sign(actor: str, digest: str = DIGEST) -> SignNotification:
    return SignNotification(case_id=CASE, actor=actor, digest=digest)


def give_back(actor: str, remark: str = "The period is wrong.") -> ReturnNotification:
    return ReturnNotification(case_id=CASE, actor=actor, remark=remark)


def signing(*told: Told | Event) -> Scenario[SigningCommand, SigningCase]:
    return Scenario(DECIDER).given(*told)


@pytest.mark.parametrize(
    ("service", "due"),
    [
        # From Monday 12 January 2026, 09:00 in the city.
        (PROSTHETICS, datetime(2026, 1, 13, 18, 59, 59, tzinfo=UTC)),
        (HOME_EDUCATION, datetime(2026, 1, 13, 18, 59, 59, tzinfo=UTC)),
        (REFERRALS, NOW + timedelta(minutes=3)),
    ],
)
def test_who_the_regulation_names_signs_and_the_time_to_issue_runs(
    service: Service, due: datetime
) -> None:
    event = signing(*service.until_signing()).when(sign(service.signer)).then_one()
    assert isinstance(event, NotificationSigned)
    assert (event.digest, event.signed_at) == (DIGEST, NOW)
    assert (event.due.at, event.due.clause) == (due, service.clause(5))


def test_the_facts_of_the_signature_are_told() -> None:
    certificate = CertificateFacts(
        serial="a" * 64, valid_from=NOW, valid_until=LATER, policy="nca-gost"
    )
    command = SignNotification(CASE, HEAD, DIGEST, certificate=certificate, evidence="b" * 64)
    event = signing(*HOME_EDUCATION.until_signing()).when(command).then_one()
    assert isinstance(event, NotificationSigned)
    assert (event.certificate, event.evidence) == (certificate, "b" * 64)


@for_each_service
def test_nobody_else_signs_or_gives_back(service: Service) -> None:
    for actor in (service.not_signer, EXECUTOR, OFFICE_CLERK, ELSEWHERE, "rule:x"):
        scenario = signing(*service.until_signing())
        scenario.when(sign(actor)).then_not_allowed(service.clause(4))
        scenario.when(give_back(actor)).then_not_allowed(service.clause(4))


@for_each_service
def test_who_acts_for_the_signer_signs(service: Service) -> None:
    signing(*service.until_signing()).when(sign(DOUBLE)).then_one()


def test_nobody_signs_what_they_drew_up_even_acting_for_the_head() -> None:
    rule = "nobody signs what they drew up"
    by_double = [*HOME_EDUCATION.until_executor(), HOME_EDUCATION.drafted(actor=DOUBLE)]
    signing(*by_double).when(sign(DOUBLE)).then_refused(rule, Because.ACTOR)
    signing(*by_double).when(give_back(DOUBLE)).then_refused(rule, Because.ACTOR)
    signing(*by_double).when(sign(HEAD)).then_one()


def test_the_executor_of_the_case_does_not_sign_what_a_rule_drew_up() -> None:
    reassigned = ExecutorReassigned(
        executor="nurlan", previous="dana", reassigned_at=NOW, private=Remark(text="leave")
    )
    drafted = HOME_EDUCATION.drafted(actor="rule:checks-confirmed")
    told = [*HOME_EDUCATION.until_executor(), reassigned, drafted]
    signing(*told).when(sign(DOUBLE)).then_refused("nobody signs what they drew up", Because.ACTOR)
    signing(*told).when(sign(HEAD)).then_one()


def test_what_is_signed_is_what_was_drawn_up() -> None:
    signing(*HOME_EDUCATION.until_signing()).when(sign(HEAD, OTHER_DIGEST)).then_refused(
        "what is signed is what was drawn up"
    )


def test_after_a_return_only_the_new_draft_is_signed() -> None:
    again = HOME_EDUCATION.drafted(digest=OTHER_DIGEST)
    scenario = signing(*HOME_EDUCATION.until_signing(), returned(), again)
    scenario.when(sign(HEAD)).then_refused("what is signed is what was drawn up")
    scenario.when(sign(HEAD, OTHER_DIGEST)).then_one()


def test_nothing_is_signed_before_or_after_holding() -> None:
    rule = "only the holder of a case decides on it"
    signing(*HOME_EDUCATION.until_executor()).when(sign(HEAD)).then_refused(rule)
    signing(*HOME_EDUCATION.until_signing(), returned()).when(sign(HEAD)).then_refused(rule)
    signing(*HOME_EDUCATION.until_notify()).when(sign(HEAD)).then_refused(rule)
    signing(*HOME_EDUCATION.until_issued()).when(sign(HEAD)).then_refused("the case runs")
    signing().when(sign(HEAD)).then_refused("the case is known here", Because.UNKNOWN)


# ---- giving back ---------------------------------------------------------------------------------


@for_each_service
def test_the_signer_gives_a_draft_back_and_the_first_term_stands(service: Service) -> None:
    signing(*service.until_signing()).when(give_back(service.signer)).then(
        NotificationReturned(
            digest=DIGEST,
            returned_at=NOW,
            due=DRAFTING,
            private=Remark(text="The period is wrong."),
        )
    )


def test_a_second_return_has_the_first_term_too() -> None:
    scenario = signing(*HOME_EDUCATION.until_signing(), returned(), HOME_EDUCATION.drafted())
    event = scenario.when(give_back(HEAD)).then_one()
    assert isinstance(event, NotificationReturned)
    assert event.due == DRAFTING


def test_a_draft_goes_back_with_a_remark() -> None:
    signing(*HOME_EDUCATION.until_signing()).when(give_back(HEAD, " ")).then_refused(
        "a draft goes back with a remark", Because.INPUT
    )


# ---- by rule -------------------------------------------------------------------------------------


@for_each_service
def test_the_departments_seal_signs_where_the_case_was_lodged_so(service: Service) -> None:
    scenario = signing(*service.until_signing(by_rule=(Step.SIGN,)))
    assert scenario.reaction() == BY_RULE
    event = scenario.when(BY_RULE).then_one()
    assert isinstance(event, NotificationSigned)
    assert (event.digest, event.certificate) == (DIGEST, None)


def test_no_seal_where_the_case_was_not_lodged_so() -> None:
    scenario = signing(*HOME_EDUCATION.until_signing(by_rule=(Step.DRAFT, Step.ISSUE)))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_refused(
        "a rule acts only where the case was lodged so", Because.ACTOR, "R3 5.4"
    )


# ---- withdrawals and terms -----------------------------------------------------------------------


def test_an_open_wish_is_answered_before_the_seal() -> None:
    scenario = signing(*HOME_EDUCATION.until_signing(by_rule=(Step.SIGN,)), ASKED)
    reaction = scenario.reaction()
    assert reaction == WithdrawCase(case_id=CASE, actor="rule:withdrawal")
    asked = event_id(Source.INTAKE, 3)
    scenario.when(reaction).then(CaseWithdrawn(request=asked, withdrawn_at=NOW))


def test_each_draft_has_its_own_term_to_sign() -> None:
    scenario = signing(*HOME_EDUCATION.until_signing())
    assert DECIDER.due(scenario.case) == SIGNING.at
    command = DECIDER.on_time(CASE, SIGNING.at)
    assert command == MarkOverdue(CASE, "rule:deadline", Step.SIGN, SIGNING.at)
    overdue = StageOverdue(step=Step.SIGN, due=SIGNING, noticed_at=LATER)
    scenario.at(LATER).when(command).then(overdue)
    scenario.given(returned()).when(command).then_nothing()
    assert DECIDER.due(scenario.case) is None


def test_a_case_at_signing_claims_nothing() -> None:
    assert DECIDER.claim(signing(*HOME_EDUCATION.until_signing()).case) is None
