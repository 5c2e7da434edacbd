"""What whoever holds the case may tell; each type string carries the emitting stage's name."""

from typing import Literal

from pydantic import Field

from shared.events.event import Event, Instant, Remark, Sealed
from shared.identifiers import EventId, Step
from shared.procedures.due import Due


class StageOverdue(Event):
    """The term of this step ran out and the step was not done."""

    step: Step
    due: Due
    noticed_at: Instant


class CaseWithdrawn(Event):
    """The applicant's wish to withdraw was met: the case is over."""

    request: EventId
    withdrawn_at: Instant


class WithdrawalDeclined(Event):
    """The wish to withdraw came when the case was already over; nothing is left to withdraw."""

    request: EventId
    declined_at: Instant


class ParkedResolved(Event):
    """An operator has dealt with a record that this stage had set aside."""

    record: EventId | None = None
    """The event in the record; None when the record was no fact."""
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    how: Literal["retried", "skipped"]
    resolved_at: Instant
    private: Remark | Sealed
