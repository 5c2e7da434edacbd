"""Who answers for a case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.routing.commands import AssignByRule, AssignExecutor, RoutingCommand
from services.routing.decider import DECIDER
from services.routing.state import RoutingCase
from shared.directory import Directory
from shared.errors import Because
from shared.events.event import Event, Remark
from shared.events.executor import ExecutorReassigned
from shared.events.holder import CaseWithdrawn, StageOverdue
from shared.events.routing import ExecutorAssigned
from shared.holding import MarkOverdue, WithdrawCase
from shared.identifiers import Source, Step
from tests.rules.samples import (
    ASKED,
    ASSIGNED,
    ASSIGNING,
    HOME_EDUCATION,
    PROSTHETICS,
    REFERRALS,
    Service,
    for_each_service,
)
from tests.rules.scenario import (
    CASE,
    DIRECTORY,
    DOUBLE,
    ELSEWHERE,
    EXECUTOR,
    HEAD,
    KNOWN,
    LATER,
    MANAGEMENT,
    NOW,
    OFFICE_CLERK,
    Scenario,
    Told,
    event_id,
)

BY_RULE = AssignByRule(case_id=CASE, actor="rule:least-loaded")
ASSIGN_BY_RULE = (Step.ASSIGN,)


def assign(
    executor: str = "dana", actor: str = HEAD, instruction: str | None = None
) -> AssignExecutor:
    return AssignExecutor(case_id=CASE, actor=actor, executor=executor, instruction=instruction)


def routing(*told: Told | Event) -> Scenario[RoutingCommand, RoutingCase]:
    return Scenario(DECIDER).given(*told)


@pytest.mark.parametrize(
    ("service", "due"),
    [
        # From Monday 12 January 2026, 09:00 in the city.
        (PROSTHETICS, datetime(2026, 1, 19, 18, 59, 59, tzinfo=UTC)),
        (HOME_EDUCATION, datetime(2026, 1, 20, 18, 59, 59, tzinfo=UTC)),
        (REFERRALS, NOW + timedelta(minutes=15)),
    ],
)
def test_the_head_names_the_executor_and_the_time_to_draw_up_runs(
    service: Service, due: datetime
) -> None:
    event = routing(*service.until_routing()).when(assign(instruction="Soon, please")).then_one()
    assert isinstance(event, ExecutorAssigned)
    assert (event.executor, event.assigned_at) == ("dana", NOW)
    assert event.private == Remark(text="Soon, please")
    assert (event.due.at, event.due.clause) == (due, service.clause(3))


def test_who_acts_for_the_head_names_the_executor_too() -> None:
    routing(*HOME_EDUCATION.until_routing()).when(assign(actor=DOUBLE)).then_one()


def test_who_acted_for_the_head_until_yesterday_does_not() -> None:
    tomorrow = NOW + timedelta(days=1)
    scenario = routing(*HOME_EDUCATION.until_routing()).at(tomorrow)
    scenario.when(assign(actor=DOUBLE)).then_not_allowed("R3 5.2")


@for_each_service
@pytest.mark.parametrize("actor", [MANAGEMENT, EXECUTOR, OFFICE_CLERK, ELSEWHERE, "rule:x"])
def test_only_the_head_of_the_cases_office_names(service: Service, actor: str) -> None:
    routing(*service.until_routing()).when(assign(actor=actor)).then_not_allowed(service.clause(2))


@pytest.mark.parametrize(
    "executor",
    ["gulnar", "kairat", "madina", "aigul", "nobody"],
    ids=["on leave", "of another office", "no longer here", "no executor", "unknown"],
)
def test_the_executor_is_one_of_the_office_and_at_work(executor: str) -> None:
    routing(*HOME_EDUCATION.until_routing()).when(assign(executor)).then_refused(
        "a case is given to an executor who is at work", Because.INPUT, "R3 5.2"
    )


def test_the_same_executor_again_is_nothing_new() -> None:
    routing(*HOME_EDUCATION.until_executor()).when(assign("dana")).then_nothing()


def test_a_second_executor_is_refused() -> None:
    routing(*HOME_EDUCATION.until_executor()).when(assign("erlan")).then_refused(
        "an executor is named once"
    )


def test_no_executor_before_the_papers_are_registered() -> None:
    routing(HOME_EDUCATION.lodged()).when(assign()).then_refused(
        "only the holder of a case decides on it"
    )


def test_no_executor_for_a_case_that_was_withdrawn() -> None:
    withdrawn = Told(
        CaseWithdrawn(request=event_id(Source.INTAKE, 3), withdrawn_at=NOW), source=Source.ROUTING
    )
    scenario = routing(*HOME_EDUCATION.until_routing(), ASKED, withdrawn)
    scenario.when(assign()).then_refused("the case runs")
    assert scenario.reaction() is None


def test_a_case_that_nobody_lodged_is_unknown() -> None:
    routing().when(assign()).then_refused("the case is known here", Because.UNKNOWN)


# ---- by rule -------------------------------------------------------------------------------------


@for_each_service
def test_by_rule_the_executor_with_the_fewest_cases_gets_it(service: Service) -> None:
    loads = {"dana": 3, "erlan": 1, "nurlan": 2, "gulnar": 0}
    scenario = routing(*service.until_routing(by_rule=ASSIGN_BY_RULE))
    scenario.knowing(replace(KNOWN, loads=loads))
    assert scenario.reaction() == BY_RULE
    event = scenario.when(BY_RULE).then_one()
    assert isinstance(event, ExecutorAssigned)
    assert event.executor == "erlan"


def test_among_equals_the_first_by_name_gets_it() -> None:
    event = routing(*HOME_EDUCATION.until_routing(by_rule=ASSIGN_BY_RULE)).when(BY_RULE).then_one()
    assert isinstance(event, ExecutorAssigned)
    assert event.executor == "dana"


def test_with_nobody_at_work_the_case_waits_for_the_head() -> None:
    head_alone = Directory(members={"serik": DIRECTORY.members["serik"]})
    scenario = routing(*HOME_EDUCATION.until_routing(by_rule=ASSIGN_BY_RULE))
    scenario.knowing(replace(KNOWN, directory=head_alone))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_nothing()


def test_a_person_may_do_what_a_rule_would() -> None:
    routing(*HOME_EDUCATION.until_routing(by_rule=ASSIGN_BY_RULE)).when(assign()).then_one()


def test_a_rule_names_nobody_where_the_case_was_not_lodged_so() -> None:
    scenario = routing(*HOME_EDUCATION.until_routing(by_rule=(Step.REGISTER, Step.DRAFT)))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_refused(
        "a rule acts only where the case was lodged so", Because.ACTOR
    )


def test_nobody_acts_under_a_rules_name() -> None:
    command = AssignByRule(case_id=CASE, actor=HEAD)
    routing(*HOME_EDUCATION.until_routing(by_rule=ASSIGN_BY_RULE)).when(command).then_not_allowed()


def test_the_rule_names_one_executor_and_is_done() -> None:
    scenario = routing(*HOME_EDUCATION.until_executor(by_rule=ASSIGN_BY_RULE))
    assert scenario.reaction() is None
    scenario.when(BY_RULE).then_refused("only the holder of a case decides on it")


# ---- withdrawals, terms, loads -------------------------------------------------------------------


@pytest.mark.parametrize("early", [True, False], ids=["before the hand-off", "after it"])
def test_an_open_wish_is_answered_before_anything_by_rule(early: bool) -> None:
    lodged, registered = HOME_EDUCATION.until_routing(by_rule=ASSIGN_BY_RULE)
    told = [lodged, ASKED, registered] if early else [lodged, registered, ASKED]
    scenario = routing(*told)
    reaction = scenario.reaction()
    assert reaction == WithdrawCase(case_id=CASE, actor="rule:withdrawal")
    asked = event_id(Source.INTAKE, 2 if early else 3)
    scenario.when(reaction).then(CaseWithdrawn(request=asked, withdrawn_at=NOW))


def test_a_wish_is_not_answered_before_or_after_holding() -> None:
    assert routing(HOME_EDUCATION.lodged(), ASKED).reaction() is None
    assert routing(*HOME_EDUCATION.until_executor(), ASKED).reaction() is None


def test_a_registered_application_has_its_term_to_get_an_executor() -> None:
    scenario = routing(*HOME_EDUCATION.until_routing())
    assert DECIDER.due(scenario.case) == ASSIGNING.at
    command = DECIDER.on_time(CASE, ASSIGNING.at)
    assert command == MarkOverdue(CASE, "rule:deadline", Step.ASSIGN, ASSIGNING.at)
    overdue = StageOverdue(step=Step.ASSIGN, due=ASSIGNING, noticed_at=LATER)
    scenario.at(LATER).when(command).then(overdue)
    scenario.given(Told(overdue, source=Source.ROUTING)).when(command).then_nothing()
    assert DECIDER.due(scenario.case) is None, "it was said"


def test_nothing_is_overdue_once_the_executor_is_named() -> None:
    command = MarkOverdue(CASE, "rule:deadline", Step.ASSIGN, ASSIGNING.at)
    scenario = routing(*HOME_EDUCATION.until_executor())
    scenario.when(command).then_nothing()
    assert DECIDER.due(scenario.case) is None


def test_the_timer_of_a_shorter_term_finds_nothing_to_do() -> None:
    early = MarkOverdue(CASE, "rule:deadline", Step.ASSIGN, ASSIGNING.at - timedelta(seconds=1))
    routing(*HOME_EDUCATION.until_routing()).when(early).then_nothing()


def test_a_running_case_counts_for_its_executor_and_later_for_the_next_one() -> None:
    assert DECIDER.claim(routing(*HOME_EDUCATION.until_routing()).case) is None
    scenario = routing(*HOME_EDUCATION.until_executor())
    assert DECIDER.claim(scenario.case) == "dana"
    scenario.given(
        ExecutorReassigned(
            executor="erlan", previous="dana", reassigned_at=NOW, private=Remark(text="leave")
        )
    )
    assert DECIDER.claim(scenario.case) == "erlan"
    assert DECIDER.claim(routing(*HOME_EDUCATION.until_issued()).case) is None


def test_an_assignment_that_routing_may_not_make_changes_nothing() -> None:
    late = Told(ASSIGNED.model_copy(update={"executor": "erlan"}), turn=3)
    scenario = routing(*HOME_EDUCATION.until_executor(), late)
    assert DECIDER.claim(scenario.case) == "dana"
    assert scenario.case.course.path == (Source.INTAKE, Source.ROUTING, Source.EXECUTOR)
