"""What the responsible executor tells: papers asked for, the notification drafted."""

from typing import Literal

from pydantic import Field

from shared.events.event import Event, Instant, Private, Remark, Sealed
from shared.identifiers import Clause, Code, Digest, StaffId
from shared.procedures.due import Due


class ExecutorReassigned(Event):
    """The head has given the case to another executor, with a reason; the term runs on."""

    executor: StaffId
    previous: StaffId
    reassigned_at: Instant
    private: Remark | Sealed


class PaperRequested(Event):
    """The executor asks the applicant for papers. The clock runs on: the text knows no pause."""

    papers: tuple[Code, ...] = Field(min_length=1, max_length=50)
    requested_at: Instant
    private: Remark | Sealed | None = None


class Notification(Private):
    """What the notification (R2, R3) or the referral (R4) says, in the applicant's language."""

    salt: str
    """Random, so that the digest of a short text gives nothing away."""
    text: str
    facts: dict[str, str] = Field(default_factory=dict, max_length=100)


class NotificationDrafted(Event):
    """The papers are examined, the result is drawn up (R2 5.3, R3 5.3, R4 5.3)."""

    outcome: Literal["granted", "refused"]
    ground: Code | None = None
    ground_clause: Clause | None = None
    """A refusal's ground: the law on state services, article 19-1; outside the resolution."""
    result_kind: Code
    digest: Digest
    """SHA-256 of the notification's canonical JSON."""
    drafted_at: Instant
    due: Due
    private: Notification | Sealed
