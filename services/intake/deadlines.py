"""The term of intake's step: registering what was handed in (R2 5.1, R3 5.1, R4 5.1)."""

from datetime import datetime

from services.intake.state import SOURCE, IntakeCase
from shared.holding import MarkOverdue, overdue_on_time, term_end
from shared.identifiers import CaseId


def due(case: IntakeCase) -> datetime | None:
    """A lodged application has to be registered in time."""
    return term_end(case, SOURCE)


def on_time(case_id: CaseId, at: datetime) -> MarkOverdue:
    """The holder says that the time is over."""
    return overdue_on_time(case_id, SOURCE, at)
