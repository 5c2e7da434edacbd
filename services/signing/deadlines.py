"""The term of signing's step (R2 5.4, R3 5.4, R4 5.4)."""

from datetime import datetime

from services.signing.state import SOURCE, SigningCase
from shared.holding import MarkOverdue, overdue_on_time, term_end
from shared.identifiers import CaseId


def due(case: SigningCase) -> datetime | None:
    """A notification that was drawn up has to be signed in time."""
    return term_end(case, SOURCE)


def on_time(case_id: CaseId, at: datetime) -> MarkOverdue:
    """The holder says that the time is over."""
    return overdue_on_time(case_id, SOURCE, at)
