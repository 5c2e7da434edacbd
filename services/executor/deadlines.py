"""The term of executor's step: examining and drawing up (R2 5.3, R3 5.3, R4 5.3)."""

from datetime import datetime

from services.executor.state import SOURCE, ExecutorCase
from shared.holding import MarkOverdue, overdue_on_time, term_end
from shared.identifiers import CaseId


def due(case: ExecutorCase) -> datetime | None:
    """An assigned case has to be drawn up in time; a draft that came back, in that same time."""
    return term_end(case, SOURCE)


def on_time(case_id: CaseId, at: datetime) -> MarkOverdue:
    """The holder says that the time is over."""
    return overdue_on_time(case_id, SOURCE, at)
