"""What routing decides: who answers for a case, and who works in the department."""

from collections.abc import Mapping
from datetime import date
from typing import assert_never

from services.routing.commands import (
    AssignByRule,
    AssignExecutor,
    DepartmentCommand,
    NameActingHead,
    RecordAbsence,
    RecordStaffMember,
    RoutingCommand,
)
from services.routing.state import SOURCE, RoutingCase
from shared.decider import Known
from shared.directory import Away, DepartmentCase, Directory, Member, acting_of, least_loaded
from shared.errors import Because, Refused
from shared.events.event import Event, Remark
from shared.events.routing import (
    AbsenceRecorded,
    ActingHeadNamed,
    ExecutorAssigned,
    StaffMemberRecorded,
    StaffName,
)
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
    present_executor,
    regulation,
    resolve_parked,
)
from shared.identifiers import Role, Step

BOOTSTRAP = "rule:bootstrap"


def decide(command: RoutingCommand, case: RoutingCase, known: Known) -> list[Event]:
    """One function for each command."""
    match command:
        case AssignExecutor():
            return assign_executor(command, case, known)
        case AssignByRule():
            return assign_by_rule(command, case, known)
        case WithdrawCase() | MarkOverdue() | ResolveParked():
            return decide_as_holder(command, case, SOURCE, known)
        case _:
            assert_never(command)


def assign_executor(command: AssignExecutor, case: RoutingCase, known: Known) -> list[Event]:
    """The head names one responsible executor, once; a change of mind is a reassignment."""
    lodged = known_here(case.course)
    clause = regulation(known, lodged).step(Step.ASSIGN).clause
    only(known, command.actor, Role.HEAD, lodged.office, clause)
    assigned = case.responsible.assigned
    if assigned == command.executor:
        return []
    if assigned:
        raise Refused(
            "an executor is named once",
            expected="no executor yet",
            found=assigned,
            clause=clause,
        )
    held_here(case.course, SOURCE)
    present_executor(known, command.executor, lodged.office, clause)
    instruction = Remark(text=command.instruction) if command.instruction else None
    return [_assigned(command.executor, instruction, case, known)]


def assign_by_rule(command: AssignByRule, case: RoutingCase, known: Known) -> list[Event]:
    """The executor at work with the fewest open cases; with nobody there the case waits."""
    lodged = held_here(case.course, SOURCE)
    clause = regulation(known, lodged).step(Step.ASSIGN).clause
    only_by_rule(case.course, command.actor, Step.ASSIGN, clause)
    executor = choice(lodged.office, known)
    return [] if executor is None else [_assigned(executor, None, case, known)]


def choice(office: str, known: Known) -> str | None:
    """Whom the rule would name now."""
    return least_loaded(known.present_executors(office), known.loads)


def _assigned(
    executor: str, instruction: Remark | None, case: RoutingCase, known: Known
) -> ExecutorAssigned:
    return ExecutorAssigned(
        executor=executor,
        assigned_at=known.now,
        due=known.due(case.course, Step.DRAFT),
        private=instruction,
    )


# ---- the department: outside the resolution, which names roles and no persons -------------------


def decide_department(
    command: DepartmentCommand, case: DepartmentCase, known: Known
) -> list[Event]:
    """One function for each command."""
    match command:
        case RecordStaffMember():
            return record_staff_member(command, case, known)
        case RecordAbsence():
            return record_absence(command, case, known)
        case NameActingHead():
            return name_acting_head(command, case, known)
        case ResolveParked():
            return resolve_parked(command, known)
        case _:
            assert_never(command)


def record_staff_member(
    command: RecordStaffMember, case: DepartmentCase, known: Known
) -> list[Event]:
    """An administrator keeps the staff; the very first entry makes an administrator."""
    members = case.directory.members
    if members or command.actor != BOOTSTRAP:
        _only_administrator(command.actor, case.directory, known)
    member = Member(office=command.office, roles=command.roles, active=command.active)
    _somebody_keeps({**members, command.staff: member})
    name = given(command.full_name, "a member of staff has a name", "full_name")
    return [
        StaffMemberRecorded(
            staff=command.staff,
            office=command.office,
            roles=command.roles,
            active=command.active,
            private=StaffName(full_name=name),
        )
    ]


def record_absence(command: RecordAbsence, case: DepartmentCase, known: Known) -> list[Event]:
    """An administrator notes who is away, from day to day."""
    _only_administrator(command.actor, case.directory, known)
    _works_here(command.staff, case.directory)
    _in_order(command.first_day, command.last_day)
    away = Away(staff=command.staff, first_day=command.first_day, last_day=command.last_day)
    if away in case.directory.absences:
        return []
    return [
        AbsenceRecorded(
            staff=command.staff,
            first_day=command.first_day,
            last_day=command.last_day,
            reason=command.reason,
        )
    ]


def name_acting_head(command: NameActingHead, case: DepartmentCase, known: Known) -> list[Event]:
    """An administrator notes who acts for the head or the management, from day to day."""
    _only_administrator(command.actor, case.directory, known)
    _in_order(command.first_day, command.last_day)
    member = _works_here(command.staff, case.directory)
    if member.office != command.office:
        raise Refused(
            "one acts in the own office",
            expected=f"a member of {command.office}",
            found=f"a member of {member.office}",
            because=Because.INPUT,
            field="staff",
        )
    named = ActingHeadNamed(
        role=command.role,
        office=command.office,
        staff=command.staff,
        first_day=command.first_day,
        last_day=command.last_day,
    )
    return [] if acting_of(named) in case.directory.acting else [named]


def _only_administrator(actor: str, directory: Directory, known: Known) -> None:
    """Of whatever office: the directory is the department's, not an office's."""
    kind, _, staff = actor.partition(":")
    member = directory.members.get(staff) if kind == "staff" else None
    office = member.office if member is not None else ""
    if Role.ADMINISTRATOR not in directory.roles_of(staff, office, known.today):
        raise Refused(
            "only an administrator keeps the directory",
            expected="administrator, at work today",
            found=actor,
            because=Because.ACTOR,
        )


def _somebody_keeps(members: Mapping[str, Member]) -> None:
    """Without an administrator nobody could ever write in the directory again."""
    if not any(one.active and Role.ADMINISTRATOR in one.roles for one in members.values()):
        raise Refused(
            "somebody keeps the directory",
            expected="an administrator who works here",
            found="nobody",
            field="roles",
        )


def _works_here(staff: str, directory: Directory) -> Member:
    member = directory.members.get(staff)
    if member is None or not member.active:
        raise Refused(
            "only staff are in the directory",
            expected="somebody who works here",
            found=staff,
            because=Because.INPUT,
            field="staff",
        )
    return member


def _in_order(first_day: date, last_day: date) -> None:
    if last_day < first_day:
        raise Refused(
            "a time has its end after its beginning",
            expected=f"a last day not before {first_day}",
            found=str(last_day),
            because=Because.INPUT,
            field="last_day",
        )
