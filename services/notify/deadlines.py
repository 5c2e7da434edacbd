"""The term of notify's step: registering and issuing the result (R2 5.5, R3 5.5, R4 5.5)."""

from datetime import datetime

from services.notify.state import SOURCE, NotifyCase
from shared.holding import MarkOverdue, overdue_on_time, term_end
from shared.identifiers import CaseId


def due(case: NotifyCase) -> datetime | None:
    """A signed notification has to be issued in time."""
    return term_end(case, SOURCE)


def on_time(case_id: CaseId, at: datetime) -> MarkOverdue:
    """The holder says that the time is over."""
    return overdue_on_time(case_id, SOURCE, at)
