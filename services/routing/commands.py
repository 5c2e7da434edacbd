"""What can be asked of routing: name an executor; keep the directory of the department's staff."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from shared.holding import HolderCommand, ResolveParked
from shared.identifiers import CaseId, Role


@dataclass(frozen=True, slots=True)
class AssignExecutor:
    """The head names the responsible executor (R2 5.2, R3 5.2, R4 5.2)."""

    case_id: CaseId
    actor: str
    executor: str
    instruction: str | None = None
    """What the head writes on the papers (бұрыштама)."""


@dataclass(frozen=True, slots=True)
class AssignByRule:
    """The executor with the fewest open cases gets this one. Outside the resolution."""

    case_id: CaseId
    actor: str


RoutingCommand = AssignExecutor | AssignByRule | HolderCommand


@dataclass(frozen=True, slots=True)
class RecordStaffMember:
    """Somebody works here, in an office and in roles; or, with `active` false, no longer."""

    case_id: CaseId
    actor: str
    staff: str
    office: str
    roles: tuple[Role, ...]
    active: bool
    full_name: str


@dataclass(frozen=True, slots=True)
class RecordAbsence:
    """A member of staff is away from the first to the last day."""

    case_id: CaseId
    actor: str
    staff: str
    first_day: date
    last_day: date
    reason: Literal["leave", "sick-leave", "business-trip", "other"]


@dataclass(frozen=True, slots=True)
class NameActingHead:
    """Somebody acts as head or management of an office from the first to the last day."""

    case_id: CaseId
    actor: str
    role: Literal[Role.HEAD, Role.MANAGEMENT]
    office: str
    staff: str
    first_day: date
    last_day: date


DepartmentCommand = RecordStaffMember | RecordAbsence | NameActingHead | ResolveParked
