"""What can be asked of intake: lodge, register, reject, add a paper, withdraw, erase."""

from dataclasses import dataclass
from typing import Literal

from shared.events.intake import Applicant, Document
from shared.holding import HolderCommand
from shared.identifiers import ApplicantRef, CaseId, Channel, Step


@dataclass(frozen=True, slots=True)
class LodgeApplication:
    """Papers are handed in (R2 5.1, R3 5.1, R4 5.1). The caller has checked the IIN.

    `edition` is the one that takes applications now; `by_rule` the steps that run without a
    person, as configured now.
    """

    case_id: CaseId
    actor: str
    procedure: str
    edition: str
    channel: Channel
    office: str
    applicant: ApplicantRef
    private: Applicant
    documents: tuple[Document, ...]
    result_kind: str | None = None
    """May be left out where the procedure has only one."""
    by_rule: tuple[Step, ...] = ()
    notice: Literal["sms", "email"] | None = None


@dataclass(frozen=True, slots=True)
class RegisterApplication:
    """The office registers the papers and sends them to the head (R2 5.1, R3 6.1, R4 5.1)."""

    case_id: CaseId
    actor: str


@dataclass(frozen=True, slots=True)
class RejectRequest:
    """A lodged request does not become a case; `message` is what the applicant is told."""

    case_id: CaseId
    actor: str
    message: str
    check: str
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class AddPaper:
    """A further paper came in for a running case."""

    case_id: CaseId
    actor: str
    document: Document


@dataclass(frozen=True, slots=True)
class RequestWithdrawal:
    """The applicant asks to withdraw. Whoever holds the case answers."""

    case_id: CaseId
    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ErasePersonalData:
    """The keys of a finished case are destroyed. Outside the resolution."""

    case_id: CaseId
    actor: str


IntakeCommand = (
    LodgeApplication
    | RegisterApplication
    | RejectRequest
    | AddPaper
    | RequestWithdrawal
    | ErasePersonalData
    | HolderCommand
)
