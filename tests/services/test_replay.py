"""Replaying for audits: what rules told they tell again, what was changed differs; no trace."""

import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.casebook.evidence import LogRecord
from services.casebook.grounds import Calendars, Grounds, People
from services.casebook.redeciding import Verdict
from services.casebook.replaying import Replayed, Totals, Wanted, file_of, replayed
from services.program import RULE_BOOK
from shared.events.catalogue import ENTRIES, Entry
from shared.events.codec import fact_of
from shared.events.envelope import GENESIS, Envelope, Fact
from shared.events.event import Event
from shared.events.executor import NotificationDrafted
from shared.events.intake import (
    ApplicationForwarded,
    ApplicationRegistered,
    WithdrawalRequested,
)
from shared.events.routing import ExecutorAssigned
from shared.hindsight import RuleBook, Unknowable
from shared.identifiers import DEPARTMENT, CaseId, EventId, Source, new_id
from tests.facts import Written
from tests.ruled import BEGIN, PROCEDURES, RuledCase, RuledDepartment

SAMPLES = Path(__file__).parents[1] / "contracts" / "samples"
CASE = CaseId(new_id())
DEPARTMENT_TOLD = RuledDepartment()
PEOPLE = DEPARTMENT_TOLD.directory


def records(written: Sequence[Written]) -> list[LogRecord]:
    return [
        LogRecord(each.topic, 0, offset, each.key, tuple(each.headers), each.value)
        for offset, each in enumerate(written)
    ]


def grounds(book: RuleBook = RULE_BOOK) -> Grounds:
    return Grounds(book, PROCEDURES, People(DEPARTMENT_TOLD.facts), Calendars().named)


def replay(
    case_id: CaseId, written: Sequence[Written], stands_on: Grounds | None = None
) -> list[Replayed]:
    file = file_of(case_id, records(written))
    return list(replayed(file, stands_on or grounds(), Totals()))


def verdicts(found: Sequence[Replayed]) -> list[Verdict]:
    return [each.result.verdict for each in found]


def changed(case: RuledCase, event: type[Event], **fields: object) -> list[Written]:
    """The case with other words in one of its events: a fact that no rule told."""
    place = next(n for n, fact in enumerate(case.facts) if isinstance(fact.event, event))
    told = case.facts[place].event.model_copy(update=fields)
    written = list(case.written)
    written[place] = replace(written[place], value=told.model_dump_json(exclude_none=True).encode())
    return written


@pytest.mark.parametrize("procedure", ["employment-referral", "prosthetic-aid"])
def test_what_people_did_is_decided_the_same_again(procedure: str) -> None:
    case = RuledCase(PEOPLE, procedure=procedure)
    found = replay(case.case_id, case.straight_through())
    assert verdicts(found) == [Verdict.SAME] * 3 + [Verdict.IN_PART] + [Verdict.SAME] * 3
    assert list(found[3].result.open) == ["digest"]
    assert all(each.held for each in found)


def test_of_a_choice_by_rule_only_the_executor_is_left_open() -> None:
    case = RuledCase(PEOPLE)
    found = replay(case.case_id, case.straight_by_rule())
    left_open = {name for each in found for name in each.result.open}
    assert left_open == {"executor", "digest"}
    assert {*verdicts(found)} == {Verdict.SAME, Verdict.IN_PART}


def test_a_case_that_went_back_and_changed_hands_is_decided_the_same_again() -> None:
    case = RuledCase(PEOPLE)
    for step in (case.lodged, case.registered, case.assigned, case.drafted, case.returned):
        step()
    case.reassigned("erlan")
    case.drafted("erlan")
    case.signed()
    case.withdrawal_requested()
    case.withdrawn(Source.NOTIFY)
    found = replay(case.case_id, case.written)
    assert {*verdicts(found)} == {Verdict.SAME, Verdict.IN_PART}
    assert found[-1].changed["state"] == ("signed", "withdrawn")


def test_the_directory_is_decided_the_same_again() -> None:
    found = replay(DEPARTMENT, DEPARTMENT_TOLD.written)
    assert verdicts(found) == [Verdict.SAME] * len(DEPARTMENT_TOLD.facts)


def test_each_fact_has_its_clause_its_due_and_what_it_changed() -> None:
    case = RuledCase(PEOPLE)
    found = replay(case.case_id, case.straight_through())
    assert [each.clauses for each in found] == [
        ("R4 5.1",), ("R4 5.1",), ("R4 5.2",), ("R4 5.3",), ("R4 5.4",), ("R4 5.5",), (),
    ]  # fmt: skip
    assert [each.due.clause if each.due else None for each in found] == [
        "R4 5.1", "R4 5.2", "R4 5.3", "R4 5.4", "R4 5.5", None, None,
    ]  # fmt: skip
    assert found[2].changed["executor"] == (None, "dana")
    assert found[2].changed["state"] == ("registered", "assigned")
    assert dict(found[6].changed) == {}


def test_a_due_that_was_moved_differs() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    told = case.facts[2].event
    assert isinstance(told, ExecutorAssigned)
    later = told.due.model_copy(update={"at": told.due.at + timedelta(days=1)})
    found = replay(case.case_id, changed(case, ExecutorAssigned, due=later))
    assert found[2].result.verdict is Verdict.DIFFERS
    assert found[2].result.why[0].startswith("due: told")


def test_an_executor_who_did_not_work_here_differs() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    found = replay(case.case_id, changed(case, ExecutorAssigned, executor="nobody"))
    assert found[2].result.verdict is Verdict.DIFFERS
    assert "at work" in found[2].result.why[0]


def test_a_choice_by_rule_of_somebody_who_was_not_there_differs() -> None:
    case = RuledCase(PEOPLE)
    case.straight_by_rule()
    found = replay(case.case_id, changed(case, ExecutorAssigned, executor="serik"))
    [choice] = [each for each in found if isinstance(each.fact.event, ExecutorAssigned)]
    assert choice.result.verdict is Verdict.DIFFERS
    assert choice.result.why == ("executor: told serik, now dana",)


def test_an_outcome_that_was_turned_differs() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    found = replay(case.case_id, changed(case, NotificationDrafted, outcome="refused"))
    assert found[3].result.verdict is Verdict.DIFFERS
    assert "ground" in found[3].result.why[0]
    assert found[5].result.verdict is Verdict.DIFFERS, "the result granted what was refused"


def test_an_act_in_the_name_of_somebody_else_differs() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    written = list(case.written)
    written[4] = written[4].but(actor=b"staff:dana")
    found = replay(case.case_id, written)
    assert found[4].result.verdict is Verdict.DIFFERS
    assert "head" in found[4].result.why[0]


def test_a_registration_number_that_was_changed_differs() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    number = "ER-2026-0000-0000-0000"
    found = replay(case.case_id, changed(case, ApplicationRegistered, registration_number=number))
    assert found[1].result.why[0].startswith("registration_number: told ER-2026-0000")


def test_who_did_not_hold_the_case_differs_and_changes_nothing() -> None:
    case, other = RuledCase(PEOPLE), RuledCase(PEOPLE)
    case.lodged()
    case.registered()
    case.assigned()
    for step in (other.lodged, other.registered, other.assigned, other.drafted):
        step()
    subject = str(case.case_id).encode()
    early = replace(
        other.written[3].but(subject=subject, correlationid=subject, turn=b"1"), key=subject
    )
    found = replay(case.case_id, [*case.written[:2], early, case.written[2]])
    assert (found[2].held, found[2].result.verdict) == (False, Verdict.DIFFERS)
    assert dict(found[2].changed) == {}
    assert found[3].result.verdict is Verdict.SAME


def test_a_law_that_is_not_here_is_named_and_not_guessed() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    law = case.facts[0].envelope.procedure
    another = f"{law.partition('#')[0]}#{'0' * 64}"
    written = [each.but(procedure=another.encode()) for each in case.written]
    found = replay(case.case_id, written)
    assert {*verdicts(found)} == {Verdict.UNKNOWABLE}
    assert found[0].result.why[0].startswith("the text of employment-referral, edition 2017-12-12")


@pytest.mark.parametrize(
    ("procedure", "verdict"),
    [("prosthetic-aid", Verdict.UNKNOWABLE), ("employment-referral", Verdict.SAME)],
)
def test_a_calendar_that_is_not_here_matters_only_for_days(
    procedure: str, verdict: Verdict
) -> None:
    case = RuledCase(PEOPLE, procedure=procedure)
    case.straight_through()
    told = case.facts[2].event
    assert isinstance(told, ExecutorAssigned)
    older = told.due.model_copy(update={"calendar": "holidays-0.1-KZ-2025-2027"})
    found = replay(case.case_id, changed(case, ExecutorAssigned, due=older))
    assert found[2].result.verdict is verdict


def test_without_rules_nothing_is_decided_again() -> None:
    case = RuledCase(PEOPLE)
    found = replay(case.case_id, case.straight_through(), grounds(RuleBook()))
    assert {*verdicts(found)} == {Verdict.UNKNOWABLE}
    assert found[0].result.why == ("the rules of intake are not here",)


def test_what_a_stage_had_not_read_yet_does_not_count_against_it() -> None:
    case = RuledCase(PEOPLE)
    for step in (case.lodged, case.registered, case.assigned):
        step()
    case.withdrawal_requested(unread=1)
    found = replay(case.case_id, case.written)
    assert found[3].fact.envelope.turn == 1, "intake did not know of the assignment"
    assert (found[3].result.verdict, found[3].result.unread) == (Verdict.SAME, 1)


def test_a_wish_that_came_in_while_the_end_was_on_its_way_is_the_same() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    case.withdrawal_requested(unread=2)
    case.withdrawn(Source.NOTIFY)
    found = replay(case.case_id, case.written)
    wish = next(each for each in found if isinstance(each.fact.event, WithdrawalRequested))
    assert (wish.result.verdict, wish.result.unread) == (Verdict.SAME, 2)
    assert found[-1].result.verdict is Verdict.SAME


def test_a_cause_was_read_before_its_effect() -> None:
    case = RuledCase(PEOPLE)
    case.straight_through()
    case.withdrawal_requested(unread=2)
    ending = str(case.facts[5].envelope.event_id).encode()
    caused = [*case.written[-1].headers, ("ce_causationid", ending)]
    written = [*case.written[:-1], replace(case.written[-1], headers=sorted(caused))]
    assert replay(case.case_id, written)[-1].result.verdict is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("wanted", "is_one"),
    [
        (Wanted(), True),
        (Wanted(procedure="employment-referral", office="almaly", executor="dana"), True),
        (Wanted(outcome="granted", since=BEGIN, until=BEGIN + timedelta(days=1)), True),
        (Wanted(outcome="refused"), False),
        (Wanted(executor="erlan"), False),
        (Wanted(office="medeu"), False),
        (Wanted(procedure="prosthetic-aid"), False),
        (Wanted(until=BEGIN), False),
        (Wanted(since=BEGIN + timedelta(days=1)), False),
    ],
)
def test_a_set_of_cases_is_chosen_by_what_they_are(wanted: Wanted, is_one: bool) -> None:
    case = RuledCase(PEOPLE)
    file = file_of(case.case_id, records(case.straight_through()))
    assert wanted(file.standing) is is_one


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.type))
def test_every_event_is_recalled_as_a_wish_of_its_stage(entry: Entry) -> None:
    fact = sample_of(entry)
    rules = RULE_BOOK.of(fact.envelope.case_id, entry.owner)
    if entry.model is ApplicationForwarded:
        with pytest.raises(Unknowable, match="no rule of this build"):
            rules.recall(fact, rules.decider.state())
    else:
        wish = rules.recall(fact, rules.decider.state()).command
        assert (wish.case_id, wish.actor) == (fact.envelope.case_id, "staff:aigul")


def sample_of(entry: Entry) -> Fact:
    case_id = DEPARTMENT if entry.department else CASE
    data = (SAMPLES / f"{entry.type}.json").read_bytes()
    envelope = Envelope(
        event_id=EventId(new_id()),
        type=entry.type,
        source=entry.owner,
        case_id=case_id,
        sequence=1,
        turn=0,
        time=BEGIN,
        actor="staff:aigul",
        office="almaly",
        procedure="department",
        synthetic=True,
        prev_hash=GENESIS,
    )
    return fact_of(envelope, data)


# ---- without a trace ----------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    "shared.journal", "shared.privacy", "shared.http", "services.casebook.mending",
    "services.casebook.rebuilding",
    "services.casebook.following", "services.casebook.folding", "services.casebook.cli.log",
)  # fmt: skip


def test_replay_reaches_nothing_that_tells_writes_or_calls() -> None:
    hindsights = {f"services.{source.value}.hindsight" for source in Source}
    reached = ours_reached({"services.casebook.cli.replay", *hindsights})
    assert hindsights < reached
    gateways = {name for name in reached if name.endswith((".gateways", ".wiring", ".routes"))}
    assert {name for name in reached if name.startswith(FORBIDDEN)} | gateways == set()
    for name in reached:
        text = file_of_module(name).read_text("utf-8")
        assert not re.search(r"\bAIOKafkaProducer\b|\bINSERT INTO\b|\bUPDATE [a-z]+ SET\b", text)


def ours_reached(roots: set[str]) -> set[str]:
    """Every module of ours that these import, and what those import."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(file_of_module(name).read_text("utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [each.name for each in node.names if is_ours(each.name)]
            elif isinstance(node, ast.ImportFrom) and is_ours(node.module or ""):
                module = node.module or ""
                names = [f"{module}.{each.name}" for each in node.names]
                waiting += [each for each in names if is_ours(each)] or [module]
    return seen


def is_ours(name: str) -> bool:
    return name.startswith(("services.", "shared.")) and file_of_module(name).exists()


def file_of_module(name: str) -> Path:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
