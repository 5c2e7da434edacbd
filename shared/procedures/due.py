"""What the law allows (`TimeLimit`), the instant computed from it (`Due`), the rules between."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.identifiers import Clause

CalendarVersion = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.\-]{0,63}$", max_length=64)
]
"""Which working calendar gave a due date: the library's version and the years it was asked for."""


class TimeUnit(StrEnum):
    """The two units in which the regulations state time."""

    MINUTES = "minutes"
    WORKING_DAYS = "working-days"


class TimeLimit(BaseModel):
    """How much time the law allows: `15 minutes`, `6 working-days`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: int = Field(gt=0, le=1000)
    unit: TimeUnit

    def __str__(self) -> str:
        return f"{self.amount} {self.unit.value}"


class DueRule(StrEnum):
    """How an instant follows from a time limit. `RULE_SOURCES` says where each comes from."""

    MINUTES_FROM_EVENT = "minutes-from-event"
    WORKING_DAYS_AFTER_EVENT = "working-days-after-event"
    """The day after the event is day 1; the last day ends at local midnight."""
    WORKING_DAYS_AFTER_EVENT_UNTIL_CLOSING = "working-days-after-event-until-closing"
    WORKING_DAYS_FROM_EVENT_DAY = "working-days-from-event-day"
    """The event's own day, if a working day, is day 1; the last day ends at local midnight."""
    WORKING_DAYS_FROM_EVENT_DAY_UNTIL_CLOSING = "working-days-from-event-day-until-closing"


RULE_SOURCES: Mapping[DueRule, str] = MappingProxyType(
    {
        DueRule.MINUTES_FROM_EVENT: (
            "Law on administrative procedures, art. 12-1 (2013-2021): a term in hours runs from "
            "the minute of the event to its last minute. No text was found that stops minutes at "
            "lunch or at closing."
        ),
        DueRule.WORKING_DAYS_AFTER_EVENT: (
            "Civil Code, art. 173-175: a term begins on the day after the event. The resolution "
            "itself is silent; default of this program."
        ),
        DueRule.WORKING_DAYS_AFTER_EVENT_UNTIL_CLOSING: (
            "Civil Code, art. 173 and 176: as above, and in an organisation the last day ends when "
            "its operations close. The hour of closing is not in the resolution."
        ),
        DueRule.WORKING_DAYS_FROM_EVENT_DAY: (
            "Law on administrative procedures, art. 12-1 (2013-2021), read literally: a term in "
            "days begins with the day of the event."
        ),
        DueRule.WORKING_DAYS_FROM_EVENT_DAY_UNTIL_CLOSING: (
            "Law on administrative procedures, art. 12-1, read literally, with Civil Code, art. "
            "176, for the end of the last day."
        ),
    }
)
"""The resolution does not say how its terms are counted; each reading is named and selectable."""


def _as_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class Due(BaseModel):
    """The last instant at which a step is still in time, and what it was computed from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[AwareDatetime, AfterValidator(_as_utc)]
    rule: DueRule
    calendar: CalendarVersion
    clause: Clause
