"""Who works in the department: kept by an administrator, and by nobody else."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from services.routing.commands import (
    DepartmentCommand,
    NameActingHead,
    RecordAbsence,
    RecordStaffMember,
)
from services.routing.decider import DEPARTMENT_DECIDER
from services.routing.rules import BOOTSTRAP
from shared.directory import DepartmentCase
from shared.errors import Because
from shared.events.event import Event
from shared.events.holder import ParkedResolved
from shared.events.routing import (
    AbsenceRecorded,
    ActingHeadNamed,
    StaffMemberRecorded,
    StaffName,
)
from shared.holding import ResolveParked
from shared.identifiers import DEPARTMENT, CaseId, Role
from tests.rules.scenario import (
    ADMINISTRATOR,
    CASE,
    HEAD,
    NOW,
    OFFICE,
    OPERATOR,
    TODAY,
    Scenario,
)

TOMORROW = TODAY + timedelta(days=1)


def recorded(staff: str, *roles: Role, active: bool = True) -> StaffMemberRecorded:
    return StaffMemberRecorded(
        staff=staff, office=OFFICE, roles=roles, active=active, private=StaffName(full_name="A. B.")
    )


ZARINA = recorded("zarina", Role.ADMINISTRATOR)
SERIK = recorded("serik", Role.HEAD)


def department(*told: Event) -> Scenario[DepartmentCommand, DepartmentCase]:
    return Scenario(DEPARTMENT_DECIDER).given(*told)


def record(
    staff: str, roles: Iterable[Role], actor: str = ADMINISTRATOR, *, active: bool = True
) -> RecordStaffMember:
    return RecordStaffMember(
        case_id=DEPARTMENT,
        actor=actor,
        staff=staff,
        office=OFFICE,
        roles=tuple(roles),
        active=active,
        full_name=" A. B. ",
    )


def absence(actor: str = ADMINISTRATOR, staff: str = "serik", days: int = 1) -> RecordAbsence:
    last_day = TODAY + timedelta(days=days)
    return RecordAbsence(DEPARTMENT, actor, staff, TODAY, last_day, "leave")


def acting(staff: str = "zarina", office: str = OFFICE, days: int = 1) -> NameActingHead:
    last_day = TODAY + timedelta(days=days)
    return NameActingHead(DEPARTMENT, ADMINISTRATOR, Role.HEAD, office, staff, TODAY, last_day)


def test_the_first_entry_is_an_administrator_made_by_nobody() -> None:
    department().when(record("zarina", [Role.ADMINISTRATOR], BOOTSTRAP)).then(ZARINA)


def test_the_first_entry_has_to_be_an_administrator() -> None:
    department().when(record("serik", [Role.HEAD], BOOTSTRAP)).then_refused(
        "somebody keeps the directory"
    )


def test_bootstrap_ends_with_the_first_entry() -> None:
    command = record("serik", [Role.ADMINISTRATOR], BOOTSTRAP)
    department(ZARINA).when(command).then_not_allowed()


def test_nobody_else_makes_the_first_entry() -> None:
    department().when(record("zarina", [Role.ADMINISTRATOR])).then_not_allowed()


def test_an_administrator_records_staff() -> None:
    department(ZARINA).when(record("serik", [Role.HEAD])).then(SERIK)


def test_a_head_does_not_record_staff() -> None:
    department(ZARINA, SERIK).when(record("dana", [], HEAD)).then_not_allowed()


def test_the_last_administrator_cannot_go() -> None:
    rule = "somebody keeps the directory"
    last = department(ZARINA, SERIK)
    last.when(record("zarina", [Role.ADMINISTRATOR], active=False)).then_refused(rule)
    last.when(record("zarina", [Role.HEAD])).then_refused(rule)
    second = recorded("timur", Role.ADMINISTRATOR)
    department(ZARINA, second).when(record("zarina", [Role.HEAD])).then_one()


def test_staff_have_a_name() -> None:
    nameless = RecordStaffMember(DEPARTMENT, ADMINISTRATOR, "dana", OFFICE, (), True, " ")
    department(ZARINA).when(nameless).then_refused("a member of staff has a name", Because.INPUT)


def test_an_absence_is_recorded_once() -> None:
    told = AbsenceRecorded(staff="serik", first_day=TODAY, last_day=TOMORROW, reason="leave")
    department(ZARINA, SERIK).when(absence()).then(told)
    department(ZARINA, SERIK, told).when(absence()).then_nothing()


def test_an_absence_is_of_staff_and_ends_after_it_begins() -> None:
    department(ZARINA).when(absence()).then_refused(
        "only staff are in the directory", Because.INPUT
    )
    gone = recorded("serik", Role.HEAD, active=False)
    department(ZARINA, gone).when(absence()).then_refused(
        "only staff are in the directory", Because.INPUT
    )
    department(ZARINA, SERIK).when(absence(days=-1)).then_refused(
        "a time has its end after its beginning", Because.INPUT
    )
    department(ZARINA, SERIK).when(absence(HEAD)).then_not_allowed()


def test_an_administrator_on_leave_records_nothing() -> None:
    away = AbsenceRecorded(staff="zarina", first_day=TODAY, last_day=TODAY, reason="leave")
    department(ZARINA, SERIK, away).when(absence()).then_not_allowed()
    back = department(ZARINA, SERIK, away).at(NOW + timedelta(days=1))
    back.when(absence()).then_one()


def test_who_acts_for_the_head_is_named_once() -> None:
    told = ActingHeadNamed(
        role=Role.HEAD, office=OFFICE, staff="zarina", first_day=TODAY, last_day=TOMORROW
    )
    department(ZARINA).when(acting()).then(told)
    department(ZARINA, told).when(acting()).then_nothing()


def test_who_acts_works_in_that_office() -> None:
    department(ZARINA).when(acting(office="almaty")).then_refused(
        "one acts in the own office", Because.INPUT
    )
    department(ZARINA).when(acting(staff="nobody")).then_refused(
        "only staff are in the directory", Because.INPUT
    )
    department(ZARINA).when(acting(days=-1)).then_refused(
        "a time has its end after its beginning", Because.INPUT
    )


def test_the_department_asks_for_nothing_by_itself() -> None:
    assert department(ZARINA).reaction() is None


# ---- parked records: every stage has this rule ---------------------------------------------------


def parked(actor: str = OPERATOR, case_id: CaseId = CASE, reason: str = "broken") -> ResolveParked:
    return ResolveParked(case_id, actor, 3, 77, "skipped", reason)


def test_an_operator_says_what_became_of_a_parked_record_and_why() -> None:
    event = department(ZARINA).when(parked()).then_one()
    assert isinstance(event, ParkedResolved)
    assert (event.partition, event.offset, event.how) == (3, 77, "skipped")


@pytest.mark.parametrize("actor", [HEAD, ADMINISTRATOR, "operator:serik", "operator:nobody"])
def test_only_an_operator_of_the_directory_does(actor: str) -> None:
    department(ZARINA).when(parked(actor)).then_not_allowed()


def test_a_parked_directory_cannot_keep_its_operator_out() -> None:
    department().when(parked("operator:anybody", DEPARTMENT)).then_one()
    department().when(parked(HEAD, DEPARTMENT)).then_not_allowed()


def test_an_operator_gives_a_reason() -> None:
    department(ZARINA).when(parked(reason=" ")).then_refused(
        "an operator gives a reason", Because.INPUT
    )
