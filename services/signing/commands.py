"""What can be asked of signing: sign what was drawn up, or give it back."""

from dataclasses import dataclass

from shared.events.signing import CertificateFacts
from shared.holding import HolderCommand
from shared.identifiers import CaseId


@dataclass(frozen=True, slots=True)
class SignNotification:
    """The head or the management signs (R2 5.4, R3 5.4, R4 5.4)."""

    case_id: CaseId
    actor: str
    digest: str
    """Of what the signer was shown."""
    certificate: CertificateFacts | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnNotification:
    """The signer gives the draft back to the executor. Outside the resolution."""

    case_id: CaseId
    actor: str
    remark: str


@dataclass(frozen=True, slots=True)
class SignByRule:
    """The department's seal, without a person."""

    case_id: CaseId
    actor: str


SigningCommand = SignNotification | ReturnNotification | SignByRule | HolderCommand
