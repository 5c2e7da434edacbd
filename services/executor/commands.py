"""What can be asked of executor: draw up the notification, ask for papers, change the executor."""

from dataclasses import dataclass
from typing import Literal

from shared.events.executor import Notification
from shared.holding import HolderCommand
from shared.identifiers import CaseId


@dataclass(frozen=True, slots=True)
class ReassignExecutor:
    """The head gives the case to another executor. Outside the resolution."""

    case_id: CaseId
    actor: str
    executor: str
    reason: str


@dataclass(frozen=True, slots=True)
class RequestPaper:
    """The executor asks the applicant for papers. Outside the resolution; the term runs on."""

    case_id: CaseId
    actor: str
    papers: tuple[str, ...]
    message: str | None = None


@dataclass(frozen=True, slots=True)
class DraftNotification:
    """The executor draws up the result and sends it to be signed (R2 5.3, R3 5.3, R4 5.3)."""

    case_id: CaseId
    actor: str
    outcome: Literal["granted", "refused"]
    notification: Notification
    ground: str | None = None
    """Why the service is refused: a ground of the law on state services, article 19-1."""


@dataclass(frozen=True, slots=True)
class DraftByRule:
    """With every required paper there, the result is drawn up by rule."""

    case_id: CaseId
    actor: str


ExecutorCommand = ReassignExecutor | RequestPaper | DraftNotification | DraftByRule | HolderCommand
