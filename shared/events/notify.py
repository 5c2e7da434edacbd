"""What notify tells: the result went out, and what became of the messages to the applicant."""

from typing import Literal

from shared.events.event import Event, Instant
from shared.identifiers import Code, Digest, RegistrationNumber


class ResultIssued(Event):
    """The office registered the result and issued it: the case is over (R2 5.5, R3 5.5, R4 5.5)."""

    result_number: RegistrationNumber
    outcome: Literal["granted", "refused"]
    result_kind: Code
    digest: Digest
    way: Literal["desk", "state-corporation", "personal-account"]
    to: Literal["applicant", "representative"]
    issued_at: Instant


class NoticeSent(Event):
    """The gateway took the message for the applicant and told its final status."""

    way: Literal["sms", "email"]
    template: Code
    sent_at: Instant


class NoticeFailed(Event):
    """The message did not reach the applicant, and will not be tried again."""

    way: Literal["sms", "email"]
    template: Code
    reason: Code
    failed_at: Instant
