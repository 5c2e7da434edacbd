"""The term of routing's step: naming the executor (R2 5.2, R3 5.2, R4 5.2)."""

from datetime import datetime

from services.routing.state import SOURCE, RoutingCase
from shared.holding import MarkOverdue, overdue_on_time, term_end
from shared.identifiers import CaseId


def due(case: RoutingCase) -> datetime | None:
    """A registered application has to get its executor in time."""
    return term_end(case, SOURCE)


def on_time(case_id: CaseId, at: datetime) -> MarkOverdue:
    """The holder says that the time is over."""
    return overdue_on_time(case_id, SOURCE, at)
