"""What intake tells: an application came in, was registered, or never became a case."""

from datetime import date
from typing import Literal

from pydantic import Field

from shared.events.event import Event, Instant, Private, Remark, Sealed
from shared.identifiers import (
    ApplicantRef,
    Channel,
    Clause,
    Code,
    Digest,
    Edition,
    OfficeId,
    RegistrationNumber,
    Step,
)
from shared.procedures.due import Due


class Document(Event):
    """One paper of an application: which, whether it is there, and the hash of its content."""

    kind: Code
    state: Literal["provided", "missing"]
    content: Digest | None = None


class Applicant(Private):
    """The person as the application names them. A child's own data stand in `form`."""

    iin: str
    surname: str
    given_name: str
    patronymic: str | None = None
    birth_date: date | None = None
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    language: Literal["kk", "ru", "en"] = "kk"
    form: dict[str, str] = Field(default_factory=dict, max_length=100)


class ApplicationLodged(Event):
    """Papers were handed in; the time to register them runs (R2 5.1, R3 5.1, R4 5.1)."""

    procedure: Code
    edition: Edition
    procedure_digest: Digest
    channel: Channel
    office: OfficeId
    applicant: ApplicantRef
    result_kind: Code
    documents: tuple[Document, ...] = Field(max_length=50)
    by_rule: tuple[Step, ...]
    """The steps that run without a person in this case, as configured when it was lodged."""
    notice: Literal["sms", "email"] | None = None
    """How the applicant asked to be told; the address itself is sealed."""
    lodged_at: Instant
    due: Due
    private: Applicant | Sealed


class ApplicationRegistered(Event):
    """The office registered the papers and sends them to the head (R2 5.1, R3 6.1, R4 5.1)."""

    registration_number: RegistrationNumber
    registered_at: Instant
    due: Due
    whole_due: Due


class RequestRejected(Event):
    """A lodged request that never became a registered case, with the message that says why."""

    message: Code
    check: Code
    clause: Clause
    rejected_at: Instant
    private: Remark | Sealed | None = None


class ApplicationForwarded(Event):
    """The receiving system (E-sobes, Labour Market) accepted the request (R3 9.7, 11.8; R4 8.8)."""

    system: Code
    acknowledgement: Code
    forwarded_at: Instant


class PaperAdded(Event):
    """A further paper came in for a running case."""

    document: Document
    added_at: Instant


class WithdrawalRequested(Event):
    """The applicant asks to withdraw. Whoever holds the case answers."""

    requested_at: Instant
    private: Remark | Sealed | None = None


class PersonalDataErased(Event):
    """The keys of this case are destroyed; what they sealed can no longer be read by anyone."""

    applicant: ApplicantRef
    erased_at: Instant
