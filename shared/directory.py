"""The staff directory: who works in which office and role, who is away, who acts for the head.

Folded from `department-events`, the one long case that is the department. Assignment and every
command over HTTP respect it: a token says who somebody is, the directory what they may be today.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from shared.course import Course
from shared.events.envelope import Fact
from shared.events.routing import AbsenceRecorded, ActingHeadNamed, StaffMemberRecorded
from shared.identifiers import Role
from shared.state import State


class Member(State, frozen=True):
    """One member of staff, without the name: that is sealed in the log."""

    office: str
    roles: tuple[Role, ...]
    active: bool


class Away(State, frozen=True):
    """An absence, both days included."""

    staff: str
    first_day: date
    last_day: date


class Acting(State, frozen=True):
    """Who acts in a role of an office, both days included."""

    role: Role
    office: str
    staff: str
    first_day: date
    last_day: date


class Directory(State, frozen=True):
    """The state of the department."""

    members: Mapping[str, Member] = {}
    absences: tuple[Away, ...] = ()
    acting: tuple[Acting, ...] = ()

    def is_away(self, staff: str, day: date) -> bool:
        """Whether somebody is recorded as absent on that day."""
        return any(
            away.staff == staff and away.first_day <= day <= away.last_day for away in self.absences
        )

    def roles_of(self, staff: str, office: str, day: date) -> frozenset[Role]:
        """The roles somebody may use in an office on a day: own ones and those acted in.

        Empty for somebody unknown, inactive, absent, or of another office.
        """
        member = self.members.get(staff)
        if member is None or not member.active or member.office != office:
            return frozenset()
        if self.is_away(staff, day):
            return frozenset()
        acting = (
            deputy.role
            for deputy in self.acting
            if deputy.staff == staff
            and deputy.office == office
            and deputy.first_day <= day <= deputy.last_day
        )
        return frozenset((*member.roles, *acting))

    def present_executors(self, office: str, day: date) -> tuple[str, ...]:
        """The responsible executors of an office who are at work on a day, by name."""
        return tuple(
            sorted(
                staff
                for staff in self.members
                if Role.RESPONSIBLE_EXECUTOR in self.roles_of(staff, office, day)
            )
        )


class DepartmentCase(State, frozen=True):
    """The department as a case: in every stage the same."""

    course: Course = Course()
    directory: Directory = Directory()


def evolve_department(case: DepartmentCase, fact: Fact) -> DepartmentCase:
    """The department after one more fact of it."""
    return case.but({"directory": evolve_directory(case.directory, fact)})


def evolve_directory(directory: Directory, fact: Fact) -> Directory:
    """The directory after one more fact of the department."""
    match fact.event:
        case StaffMemberRecorded(staff=staff, office=office, roles=roles, active=active):
            member = Member(office=office, roles=roles, active=active)
            return directory.but({"members": {**directory.members, staff: member}})
        case AbsenceRecorded(staff=staff, first_day=first_day, last_day=last_day):
            away = Away(staff=staff, first_day=first_day, last_day=last_day)
            return directory.but({"absences": (*directory.absences, away)})
        case ActingHeadNamed() as event:
            return directory.but({"acting": (*directory.acting, acting_of(event))})
        case _:
            return directory


def acting_of(event: ActingHeadNamed) -> Acting:
    """What the directory keeps of somebody's being named."""
    return Acting(
        role=event.role,
        office=event.office,
        staff=event.staff,
        first_day=event.first_day,
        last_day=event.last_day,
    )


def least_loaded(executors: Iterable[str], loads: Mapping[str, int]) -> str | None:
    """The executor with the fewest open cases; among equals the first by name."""
    return min(executors, key=lambda staff: (loads.get(staff, 0), staff), default=None)
