"""What can be asked of notify: issue the result, note what became of the message about it."""

from dataclasses import dataclass
from typing import Literal

from shared.holding import HolderCommand
from shared.identifiers import CaseId

Way = Literal["desk", "state-corporation", "personal-account"]
Receiver = Literal["applicant", "representative"]


@dataclass(frozen=True, slots=True)
class IssueResult:
    """The office specialist registers the result and issues it (R2 5.5, R3 5.5, R4 5.5)."""

    case_id: CaseId
    actor: str
    way: Way
    to: Receiver = "applicant"


@dataclass(frozen=True, slots=True)
class IssueByRule:
    """An electronic result goes to the personal account without a person (R3 3, R4 3)."""

    case_id: CaseId
    actor: str


@dataclass(frozen=True, slots=True)
class RecordNotice:
    """What became of the errand `notice`. Outside the resolution."""

    case_id: CaseId
    actor: str
    outcome: Literal["sent", "failed"]
    reason: str | None = None
    """Why it failed: the gateway's code."""


NotifyCommand = IssueResult | IssueByRule | RecordNotice | HolderCommand
