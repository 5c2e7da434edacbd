"""Working days and due dates: pure, with the calendar handed in (D16).

The calendar is the five-day week of the department. The State Corporation works on Saturdays and
has another calendar; no term of the resolution is counted in its working days.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from importlib import metadata
from zoneinfo import ZoneInfo

from shared.procedures.due import Due, DueRule, TimeLimit, TimeUnit

ALMATY = ZoneInfo("Asia/Almaty")
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_SATURDAY = 5


class OutsideCalendar(Exception):
    """A day was asked for that the calendar has no data on: never guess a holiday."""


@dataclass(frozen=True)
class Counting:
    """The chosen reading of the law on terms in working days; the default is named first.

    `closes` is the local hour at which the last day ends; without it the whole day counts,
    because the resolution names no hour.
    """

    event_day_counts: bool = False
    closes: time | None = None

    @property
    def rule(self) -> DueRule:
        """The name under which a due date computed this way is recorded."""
        if self.event_day_counts:
            if self.closes is None:
                return DueRule.WORKING_DAYS_FROM_EVENT_DAY
            return DueRule.WORKING_DAYS_FROM_EVENT_DAY_UNTIL_CLOSING
        if self.closes is None:
            return DueRule.WORKING_DAYS_AFTER_EVENT
        return DueRule.WORKING_DAYS_AFTER_EVENT_UNTIL_CLOSING


DAY_AFTER = Counting()
"""Day 1 is the day after the event; the last day ends at local midnight."""

_LastDay = tuple[date, int, bool]
_LastInstant = tuple[date, int, str, Counting]


@dataclass(frozen=True)
class WorkingCalendar:
    """Which days are worked. The memo fields only remember answers; they change none.

    `years` are the years it has data on; empty means every year.
    """

    version: str
    non_working: frozenset[date]
    working_weekends: frozenset[date]
    years: frozenset[int] = frozenset()
    _last_days: dict[_LastDay, date] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _last_instants: dict[_LastInstant, tuple[datetime, DueRule]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def is_working(self, day: date) -> bool:
        """A weekday that is no holiday and was not freed, or a weekend day made working."""
        if self.years and day.year not in self.years:
            raise OutsideCalendar(
                f"calendar {self.version} has no data on {day.year}: "
                f"expected a day of {min(self.years)}-{max(self.years)}"
            )
        if day in self.non_working:
            return False
        return day.weekday() < _SATURDAY or day in self.working_weekends

    def last_day(self, event_day: date, days: int, *, event_day_counts: bool = False) -> date:
        """The `days`-th working day after `event_day` (or from it, if the event's day counts)."""
        key = (event_day, days, event_day_counts)
        known = self._last_days.get(key)
        if known is not None:
            return known
        if days < 1:
            raise ValueError(f"working days to count: expected 1 or more, found {days}")
        day = event_day if event_day_counts else event_day + _DAY
        left = days - self.is_working(day)
        while left:
            day += _DAY
            left -= self.is_working(day)
        self._last_days[key] = day
        return day

    def last_instant(
        self, event_day: date, days: int, zone: ZoneInfo, counting: Counting
    ) -> tuple[datetime, DueRule]:
        """When the last of `days` working days ends, in UTC, and the rule's name."""
        key = (event_day, days, str(zone), counting)
        known = self._last_instants.get(key)
        if known is None:
            last = self.last_day(event_day, days, event_day_counts=counting.event_day_counts)
            known = (_end_of_day(last, zone, counting.closes), counting.rule)
            self._last_instants[key] = known
        return known


def due_after(
    start: datetime,
    limit: TimeLimit,
    calendar: WorkingCalendar,
    clause: str,
    *,
    zone: ZoneInfo = ALMATY,
    counting: Counting = DAY_AFTER,
) -> Due:
    """The due of a step whose time began at `start`, an aware instant.

    Called for each event, thousands of times per second: after the first question about a day
    it is two dictionary look-ups. `clause` is not checked again, it comes from a loaded procedure.
    """
    if start.tzinfo is None:
        raise ValueError("start of a term: expected an instant with a time zone, found none")
    if limit.unit is TimeUnit.MINUTES:
        at = start.astimezone(UTC) + timedelta(minutes=limit.amount)
        rule = DueRule.MINUTES_FROM_EVENT
    else:
        event_day = start.astimezone(zone).date()
        at, rule = calendar.last_instant(event_day, limit.amount, zone, counting)
    return Due.model_construct(at=at, rule=rule, calendar=calendar.version, clause=clause)


def _end_of_day(day: date, zone: ZoneInfo, closes: time | None) -> datetime:
    """The last second of the local day, or the hour of closing.

    Taken back from the next midnight: on 2024-02-29 local 23:00-23:59 occurred twice in Almaty,
    and a person still has the second of them.
    """
    if closes is not None:
        return datetime.combine(day, closes, zone).astimezone(UTC)
    return datetime.combine(day + _DAY, time.min, zone).astimezone(UTC) - _SECOND


def calendar_from_holidays(years: Iterable[int]) -> WorkingCalendar:
    """Kazakhstan's calendar of the named years, as the `holidays` library knows it.

    It holds the state holidays, the days off moved by decree, Christmas and Kurban Ait (for the
    coming years an estimate). It does not hold the stand-still of 30 March to 12 April 2020.
    """
    import holidays  # noqa: PLC0415  (the one place that knows the library)

    asked = frozenset(years)
    source = holidays.country_holidays("KZ", years=asked)
    worked = frozenset(day for day in source.weekend_workdays if day.year in asked)
    version = metadata.version("holidays")
    return WorkingCalendar(
        version=f"holidays-{version}-KZ-{min(asked)}-{max(asked)}",
        non_working=frozenset(day for day in source if day.year in asked),
        working_weekends=worked,
        years=asked,
    )
