"""What routing tells: the head's choice of an executor, and the department's own facts."""

from datetime import date
from typing import Literal

from shared.events.event import Event, Instant, Private, Remark, Sealed
from shared.identifiers import OfficeId, Role, StaffId
from shared.procedures.due import Due


class ExecutorAssigned(Event):
    """The head has named who answers for this case (R2 5.2, R3 5.2, R4 5.2)."""

    executor: StaffId
    assigned_at: Instant
    due: Due
    private: Remark | Sealed | None = None
    """The head's instruction on the papers, if any."""


class StaffName(Private):
    """How a member of staff is called."""

    full_name: str


class StaffMemberRecorded(Event):
    """Somebody works here: in which office, in which roles; or no longer (`active` is false)."""

    staff: StaffId
    office: OfficeId
    roles: tuple[Role, ...]
    active: bool
    private: StaffName | Sealed


class AbsenceRecorded(Event):
    """A member of staff is away from the first to the last day, both included."""

    staff: StaffId
    first_day: date
    last_day: date
    reason: Literal["leave", "sick-leave", "business-trip", "other"]


class ActingHeadNamed(Event):
    """Who acts in a role of another from the first to the last day, both included."""

    role: Literal[Role.HEAD, Role.MANAGEMENT]
    office: OfficeId
    staff: StaffId
    first_day: date
    last_day: date
