"""What whoever holds the case may tell; each type string carries the emitting stage's name."""

from typing import Literal

from pydantic import Field

from shared.events.event import Event, Instant, Remark, Sealed
from shared.identifiers import EventId, Source, Step
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


class PassedOver(Event):
    """Places of a source that this stage goes on without, both included."""

    source: Source
    first: int = Field(ge=1, lt=2**31)
    last: int = Field(ge=1, lt=2**31)


class ParkedResolved(Event):
    """An operator has dealt with a record that this stage had set aside."""

    record: EventId | None = None
    """The event in the record; None when the record was no fact."""
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    how: Literal["retried", "skipped"]
    passed: PassedOver | None = None
    """Of a skipped record: its own place, and those before it that never came."""
    resolved_at: Instant
    private: Remark | Sealed
