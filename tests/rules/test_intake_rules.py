"""Who comes in, with what, and what becomes of the request."""

from datetime import UTC, datetime, timedelta

import pytest

from services.intake.commands import (
    AddPaper,
    ErasePersonalData,
    IntakeCommand,
    LodgeApplication,
    RegisterApplication,
    RejectRequest,
    RequestWithdrawal,
)
from services.intake.decider import DECIDER
from services.intake.state import IntakeCase
from shared.errors import Because
from shared.events.event import Event, Remark
from shared.events.holder import CaseWithdrawn, StageOverdue
from shared.events.intake import (
    ApplicationLodged,
    ApplicationRegistered,
    Document,
    PaperAdded,
    PersonalDataErased,
    RequestRejected,
    WithdrawalRequested,
)
from shared.holding import MarkOverdue, WithdrawCase
from shared.identifiers import Channel, Source, Step
from shared.procedures.due import DueRule
from tests.rules.samples import (
    ASKED,
    HOME_EDUCATION,
    PROSTHETICS,
    REFERRALS,
    REGISTERED,
    REGISTERING,
    Service,
    for_each_service,
)
from tests.rules.scenario import (
    APPLICANT,
    CASE,
    ELSEWHERE,
    EXECUTOR,
    HEAD,
    NOW,
    OFFICE_CLERK,
    OPERATOR,
    Scenario,
    Told,
    event_id,
)

REGISTER = RegisterApplication(case_id=CASE, actor=OFFICE_CLERK)
WITHDRAWN = Told(
    CaseWithdrawn(request=event_id(Source.INTAKE, 2), withdrawn_at=NOW), source=Source.INTAKE
)
ONE_REQUEST = event_id(Source.INTAKE, 2)


def intake(*told: Told | Event) -> Scenario[IntakeCommand, IntakeCase]:
    return Scenario(DECIDER).given(*told)


# ---- lodging -------------------------------------------------------------------------------------


@for_each_service
def test_an_application_is_lodged_and_the_time_to_register_it_runs(service: Service) -> None:
    event = intake().when(service.lodging()).then_one()
    assert isinstance(event, ApplicationLodged)
    minutes = 3 if service is REFERRALS else 15
    assert event.due.at == NOW + timedelta(minutes=minutes)
    assert event.due.rule is DueRule.MINUTES_FROM_EVENT
    assert event.due.clause == service.clause(1)
    assert event.procedure_digest == service.law.digest
    assert (event.lodged_at, event.applicant) == (NOW, APPLICANT)
    assert event.documents == service.documents


@for_each_service
def test_an_application_is_registered_at_once_where_that_step_runs_by_rule(
    service: Service,
) -> None:
    scenario = intake().when(service.lodging(by_rule=(Step.REGISTER,)))
    lodged, registered = scenario._events()
    assert isinstance(lodged, ApplicationLodged)
    assert isinstance(registered, ApplicationRegistered)
    assert registered.due.clause == service.clause(2)


@for_each_service
@pytest.mark.parametrize("actor", [HEAD, EXECUTOR, ELSEWHERE, OPERATOR, "rule:anything"])
def test_only_an_office_specialist_of_the_office_takes_papers_in(
    service: Service, actor: str
) -> None:
    intake().when(service.lodging(actor=actor)).then_not_allowed(service.clause(1))


def test_an_application_is_lodged_once() -> None:
    intake(HOME_EDUCATION.lodged()).when(HOME_EDUCATION.lodging()).then_refused(
        "an application is lodged once"
    )


@pytest.mark.parametrize(
    ("service", "channel"),
    [
        (PROSTHETICS, Channel.PORTAL),
        (PROSTHETICS, Channel.STATE_CORPORATION),
        (REFERRALS, Channel.STATE_CORPORATION),
    ],
)
def test_a_channel_that_the_regulation_does_not_name_is_refused(
    service: Service, channel: Channel
) -> None:
    intake().when(service.lodging(channel=channel)).then_refused(
        "an application comes in through a channel of the regulation", Because.INPUT
    )


@pytest.mark.parametrize(
    ("service", "channel"),
    [
        (HOME_EDUCATION, Channel.STATE_CORPORATION),
        (HOME_EDUCATION, Channel.PORTAL),
        (REFERRALS, Channel.PORTAL),
    ],
)
def test_each_channel_that_the_regulation_names_is_taken(
    service: Service, channel: Channel
) -> None:
    intake().when(service.lodging(channel=channel)).then_one()


@pytest.mark.parametrize("service", [PROSTHETICS, HOME_EDUCATION])
def test_the_only_result_of_a_regulation_need_not_be_asked_for(service: Service) -> None:
    event = intake().when(service.lodging(result_kind=None)).then_one()
    assert isinstance(event, ApplicationLodged)
    assert event.result_kind == service.result_kind


def test_a_referral_is_asked_for_by_its_kind() -> None:
    rule = "a result of the regulation is asked for"
    intake().when(REFERRALS.lodging(result_kind=None)).then_refused(rule, Because.INPUT, "R4 3")
    intake().when(REFERRALS.lodging(result_kind="assignment-of-benefit")).then_refused(
        rule, Because.INPUT
    )
    for item in REFERRALS.law.result_kinds:
        intake().when(REFERRALS.lodging(result_kind=item.kind.value)).then_one()


@for_each_service
def test_papers_of_no_known_kind_are_refused(service: Service) -> None:
    papers = (*service.documents, Document(kind="horoscope", state="provided"))
    intake().when(service.lodging(documents=papers)).then_refused(
        "papers are of known kinds, each once", Because.INPUT
    )


@for_each_service
def test_a_paper_is_listed_once(service: Service) -> None:
    papers = (*service.documents, service.documents[0])
    intake().when(service.lodging(documents=papers)).then_refused(
        "papers are of known kinds, each once", Because.INPUT
    )


def test_an_identity_document_may_be_named_by_what_it_is() -> None:
    papers = (Document(kind="residence-permit", state="provided"),)
    intake().when(REFERRALS.lodging(documents=papers)).then_one()


def test_the_deleted_regulation_takes_no_applications() -> None:
    command = _lodging_of("unemployed-certificate", "2015-11-24")
    intake().when(command).then_refused(
        "a regulation that was deleted takes no applications", Because.INPUT
    )


def test_a_service_or_an_edition_that_nobody_knows_is_refused() -> None:
    rule = "an application is for a service of the resolution"
    intake().when(_lodging_of("moon-landing", "2016-08-25")).then_refused(rule, Because.INPUT)
    intake().when(_lodging_of("home-education", "1999-01-01")).then_refused(rule, Because.INPUT)


def _lodging_of(procedure: str, edition: str) -> LodgeApplication:
    usual = HOME_EDUCATION.lodging()
    return LodgeApplication(
        case_id=usual.case_id,
        actor=usual.actor,
        procedure=procedure,
        edition=edition,
        channel=usual.channel,
        office=usual.office,
        applicant=usual.applicant,
        private=usual.private,
        documents=usual.documents,
    )


# ---- registering ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "prefix", "assigning", "whole"),
    [
        # Monday 12 January 2026, 09:00; a working day ends at local midnight, 18:59:59 UTC.
        (PROSTHETICS, "PA", datetime(2026, 1, 14, 18, 59, 59, tzinfo=UTC),
         datetime(2026, 1, 26, 18, 59, 59, tzinfo=UTC)),
        (HOME_EDUCATION, "HE", datetime(2026, 1, 13, 18, 59, 59, tzinfo=UTC),
         datetime(2026, 1, 23, 18, 59, 59, tzinfo=UTC)),
        (REFERRALS, "ER", NOW + timedelta(minutes=5),
         NOW + timedelta(minutes=15 + 5 + 15 + 4 + 3)),
    ],
)  # fmt: skip
def test_registering_gives_a_number_and_both_dues(
    service: Service, prefix: str, assigning: datetime, whole: datetime
) -> None:
    event = intake(service.lodged()).when(REGISTER).then_one()
    assert isinstance(event, ApplicationRegistered)
    assert event.registration_number.startswith(f"{prefix}-2026-")
    assert event.due.at == assigning
    assert event.due.clause == service.clause(2)
    # The sample was due to be registered 15 minutes after it was lodged; the days follow.
    assert event.whole_due.at == whole
    assert event.whole_due.clause == service.clause(5)


def test_the_year_of_the_number_is_that_of_the_city() -> None:
    new_year_in_the_city = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)
    scenario = intake(HOME_EDUCATION.lodged()).at(new_year_in_the_city)
    event = scenario.when(REGISTER).then_one()
    assert isinstance(event, ApplicationRegistered)
    assert event.registration_number.startswith("HE-2027-")


@pytest.mark.parametrize("actor", [HEAD, ELSEWHERE, OPERATOR, "rule:register"])
def test_only_the_office_of_the_case_registers(actor: str) -> None:
    intake(HOME_EDUCATION.lodged()).when(
        RegisterApplication(case_id=CASE, actor=actor)
    ).then_not_allowed("R3 5.1")


def test_registering_again_does_nothing() -> None:
    intake(*HOME_EDUCATION.until_routing()).when(REGISTER).then_nothing()


def test_a_case_that_is_over_is_not_registered() -> None:
    intake(HOME_EDUCATION.lodged(), ASKED, WITHDRAWN).when(REGISTER).then_refused("the case runs")


def test_nothing_is_registered_that_was_not_lodged() -> None:
    intake().when(REGISTER).then_refused("the case is known here", Because.UNKNOWN)


# ---- rejecting -----------------------------------------------------------------------------------


def reject(message: str, check: str, actor: str = OFFICE_CLERK) -> RejectRequest:
    return RejectRequest(case_id=CASE, actor=actor, message=message, check=check, remark="why")


@pytest.mark.parametrize(
    ("service", "channel", "message", "check", "clause"),
    [
        (HOME_EDUCATION, Channel.STATE_CORPORATION, "RF-S1", "recipient-in-gbd", "R3 9.6"),
        (HOME_EDUCATION, Channel.STATE_CORPORATION, "RF-S2", "documents-conform", "R3 9.9"),
        (HOME_EDUCATION, Channel.PORTAL, "RF-P1", "recipient-data-authentic", "R3 11.4"),
        (HOME_EDUCATION, Channel.PORTAL, "RF-P2", "certificate-not-revoked", "R3 11.7"),
        (HOME_EDUCATION, Channel.PORTAL, "RF-P3", "documents-conform", "R3 11.10"),
        (REFERRALS, Channel.PORTAL, "RF-J1", "recipient-data-authentic", "R4 8.4"),
        (REFERRALS, Channel.PORTAL, "RF-J2", "iin-matches", "R4 8.7"),
        (REFERRALS, Channel.PORTAL, "RF-J3", "documents-conform", "R4 8.10"),
    ],
)
def test_a_request_is_turned_away_with_a_message_of_its_channel(
    service: Service, channel: Channel, message: str, check: str, clause: str
) -> None:
    intake(service.lodged(channel=channel)).when(reject(message, check)).then(
        RequestRejected(
            message=message,
            check=check,
            clause=clause,
            rejected_at=NOW,
            private=Remark(text="why"),
        )
    )


@for_each_service
def test_an_incomplete_package_is_not_accepted_by_another_law(service: Service) -> None:
    incomplete = "incomplete-package-not-accepted"
    event = intake(service.lodged()).when(reject(incomplete, incomplete)).then_one()
    assert isinstance(event, RequestRejected)
    assert event.clause == "LSS 20.2"


@pytest.mark.parametrize(
    ("service", "channel", "message", "check"),
    [
        (PROSTHETICS, Channel.OFFICE, "RF-S2", "documents-conform"),
        (HOME_EDUCATION, Channel.OFFICE, "RF-S2", "documents-conform"),
        (HOME_EDUCATION, Channel.PORTAL, "RF-S2", "documents-conform"),
        (HOME_EDUCATION, Channel.PORTAL, "RF-P3", "iin-matches"),
        (REFERRALS, Channel.PORTAL, "RF-P2", "iin-matches"),
        (REFERRALS, Channel.OFFICE, "we-are-tired", "documents-conform"),
    ],
)
def test_a_message_that_the_channel_does_not_have_is_refused(
    service: Service, channel: Channel, message: str, check: str
) -> None:
    intake(service.lodged(channel=channel)).when(reject(message, check)).then_refused(
        "a request is turned away with a message of the regulation", Because.INPUT
    )


def test_a_registered_case_is_not_turned_away() -> None:
    command = reject("incomplete-package-not-accepted", "incomplete-package-not-accepted")
    intake(*HOME_EDUCATION.until_routing()).when(command).then_refused(
        "only the holder of a case decides on it"
    )


def test_only_the_office_turns_away() -> None:
    incomplete = "incomplete-package-not-accepted"
    intake(HOME_EDUCATION.lodged()).when(reject(incomplete, incomplete, HEAD)).then_not_allowed()


# ---- papers --------------------------------------------------------------------------------------

MISSING = Document(kind="power-of-attorney", state="provided", content="a" * 64)


@pytest.mark.parametrize("service", [PROSTHETICS, HOME_EDUCATION])
def test_a_paper_is_added_wherever_the_case_is(service: Service) -> None:
    command = AddPaper(case_id=CASE, actor=OFFICE_CLERK, document=MISSING)
    added = PaperAdded(document=MISSING, added_at=NOW)
    intake(service.lodged()).when(command).then(added)
    intake(*service.until_signing()).when(command).then(added)


def test_the_same_paper_again_is_nothing_new() -> None:
    command = AddPaper(case_id=CASE, actor=OFFICE_CLERK, document=MISSING)
    told = PaperAdded(document=MISSING, added_at=NOW)
    intake(HOME_EDUCATION.lodged(), told).when(command).then_nothing()


def test_no_paper_is_added_to_a_case_that_is_over() -> None:
    command = AddPaper(case_id=CASE, actor=OFFICE_CLERK, document=MISSING)
    intake(*HOME_EDUCATION.until_issued()).when(command).then_refused("the case runs")


def test_a_paper_is_of_a_known_kind_and_comes_through_the_office() -> None:
    lodged = REFERRALS.lodged()
    odd = Document(kind="bank-account", state="provided")
    intake(lodged).when(AddPaper(CASE, OFFICE_CLERK, odd)).then_refused(
        "papers are of known kinds, each once", Because.INPUT
    )
    intake(lodged).when(AddPaper(CASE, EXECUTOR, REFERRALS.documents[0])).then_not_allowed()


# ---- withdrawing ---------------------------------------------------------------------------------


def test_the_wish_to_withdraw_is_taken_down_while_the_case_runs() -> None:
    command = RequestWithdrawal(case_id=CASE, actor=OFFICE_CLERK, reason="I moved away")
    told = WithdrawalRequested(requested_at=NOW, private=Remark(text="I moved away"))
    intake(HOME_EDUCATION.lodged()).when(command).then(told)
    intake(*HOME_EDUCATION.until_notify()).when(command).then(told)


def test_one_wish_at_a_time() -> None:
    command = RequestWithdrawal(case_id=CASE, actor=OFFICE_CLERK)
    intake(*HOME_EDUCATION.until_routing(), ASKED).when(command).then_refused(
        "one wish to withdraw at a time"
    )


def test_a_case_that_is_over_cannot_be_withdrawn() -> None:
    command = RequestWithdrawal(case_id=CASE, actor=OFFICE_CLERK)
    intake(*HOME_EDUCATION.until_issued()).when(command).then_refused("the case runs")


def test_the_applicants_wish_comes_through_the_office() -> None:
    intake(HOME_EDUCATION.lodged()).when(RequestWithdrawal(CASE, EXECUTOR)).then_not_allowed()


def test_intake_answers_the_wish_itself_while_it_holds_the_case() -> None:
    scenario = intake(HOME_EDUCATION.lodged(), ASKED)
    reaction = scenario.reaction()
    assert reaction == WithdrawCase(case_id=CASE, actor="rule:withdrawal")
    scenario.when(reaction).then(CaseWithdrawn(request=ONE_REQUEST, withdrawn_at=NOW))


def test_intake_leaves_the_answer_to_whoever_holds_the_case() -> None:
    scenario = intake(*HOME_EDUCATION.until_routing(), ASKED)
    assert scenario.reaction() is None
    scenario.when(WithdrawCase(case_id=CASE, actor="rule:withdrawal")).then_nothing()


def test_without_a_wish_nothing_happens_by_itself() -> None:
    assert intake(HOME_EDUCATION.lodged()).reaction() is None
    assert intake().reaction() is None


# ---- erasing -------------------------------------------------------------------------------------

ERASED = PersonalDataErased(applicant=APPLICANT, erased_at=NOW)
ERASE = ErasePersonalData(case_id=CASE, actor=OPERATOR)


def test_the_data_of_a_finished_case_are_erased_once() -> None:
    intake(*HOME_EDUCATION.until_issued()).when(ERASE).then(ERASED)
    intake(*HOME_EDUCATION.until_issued(), ERASED).when(ERASE).then_nothing()


def test_a_running_case_keeps_its_data() -> None:
    intake(*HOME_EDUCATION.until_signing()).when(ERASE).then_refused(
        "only a finished case is erased"
    )


@pytest.mark.parametrize("actor", [OFFICE_CLERK, HEAD, "staff:timur", "operator:aigul"])
def test_only_an_operator_erases(actor: str) -> None:
    command = ErasePersonalData(case_id=CASE, actor=actor)
    intake(*HOME_EDUCATION.until_issued()).when(command).then_not_allowed()


# ---- the term ------------------------------------------------------------------------------------


def test_a_lodged_application_has_its_term_to_be_registered() -> None:
    scenario = intake(HOME_EDUCATION.lodged())
    assert DECIDER.due(scenario.case) == REGISTERING.at
    command = DECIDER.on_time(CASE, REGISTERING.at)
    assert command == MarkOverdue(CASE, "rule:deadline", Step.REGISTER, REGISTERING.at)
    scenario.when(command).then(StageOverdue(step=Step.REGISTER, due=REGISTERING, noticed_at=NOW))


def test_overdue_is_said_once_and_not_of_a_registered_case() -> None:
    command = MarkOverdue(CASE, "rule:deadline", Step.REGISTER, REGISTERING.at)
    said = Told(
        StageOverdue(step=Step.REGISTER, due=REGISTERING, noticed_at=NOW), source=Source.INTAKE
    )
    intake(HOME_EDUCATION.lodged(), said).when(command).then_nothing()
    intake(HOME_EDUCATION.lodged(), REGISTERED).when(command).then_nothing()
    intake().when(command).then_nothing()


# ---- the claim -----------------------------------------------------------------------------------


def test_a_running_case_claims_its_applicant_and_service() -> None:
    assert DECIDER.claim(intake().case) is None
    lodged = intake(*HOME_EDUCATION.until_notify())
    assert DECIDER.claim(lodged.case) == f"{APPLICANT}:home-education"
    issued = intake(*HOME_EDUCATION.until_issued())
    assert DECIDER.claim(issued.case) is None
