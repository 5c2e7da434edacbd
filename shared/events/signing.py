"""What signing tells: the notification is signed, or goes back with a remark."""

from shared.events.event import Event, Instant, Remark, Sealed
from shared.identifiers import Code, Digest
from shared.procedures.due import Due


class CertificateFacts(Event):
    """What the signer's registration certificate said when the signature was checked."""

    serial: Digest
    """SHA-256 of the serial number and issuer: enough to find it, nothing of the person."""
    valid_from: Instant
    valid_until: Instant
    policy: Code


class NotificationSigned(Event):
    """The head or the management signed what the executor drew up (R2 5.4, R3 5.4, R4 5.4)."""

    digest: Digest
    """Of the notification as it was drafted: what was signed is what was shown."""
    signed_at: Instant
    certificate: CertificateFacts | None = None
    evidence: Digest | None = None
    """Where the signature itself is kept; null for a hand-written one on paper."""
    due: Due


class NotificationReturned(Event):
    """The signer gives the draft back to the executor, with a remark. The first term stands."""

    digest: Digest
    returned_at: Instant
    due: Due
    private: Remark | Sealed
