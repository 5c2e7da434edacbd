"""Dues: which day is day 1, when the last day ends, and what the due remembers."""

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.procedures.due import RULE_SOURCES, Due, DueRule, TimeLimit, TimeUnit
from shared.procedures.models import Procedure
from shared.procedures.working_time import (
    ALMATY,
    Counting,
    WorkingCalendar,
    calendar_from_holidays,
    due_after,
)

CLAUSE = "R3 5.3"
EVERY_WEEKDAY = WorkingCalendar("weekdays", frozenset(), frozenset())
KAZAKHSTAN = calendar_from_holidays(range(2015, 2029))


def days(amount: int) -> TimeLimit:
    return TimeLimit(amount=amount, unit=TimeUnit.WORKING_DAYS)


def minutes(amount: int) -> TimeLimit:
    return TimeLimit(amount=amount, unit=TimeUnit.MINUTES)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ALMATY)


def last_second(due: Due) -> str:
    return due.at.astimezone(ALMATY).strftime("%Y-%m-%d %H:%M:%S")


def test_the_day_after_the_event_is_day_one(calendar: WorkingCalendar) -> None:
    due = due_after(local("2018-05-14T09:30"), days(1), calendar, CLAUSE)
    assert last_second(due) == "2018-05-15 23:59:59"
    assert due.rule is DueRule.WORKING_DAYS_AFTER_EVENT
    assert due.clause == CLAUSE
    assert due.calendar == calendar.version


def test_six_working_days_pass_over_a_holiday_and_a_moved_day(calendar: WorkingCalendar) -> None:
    # 30 April was freed for the Saturday before; 1, 7, 8 (freed), 9 May were off; 5 May worked.
    due = due_after(local("2018-04-27T10:00"), days(6), calendar, CLAUSE)
    assert last_second(due) == "2018-05-10 23:59:59"


def test_an_event_on_a_day_off_begins_with_the_next_working_day(calendar: WorkingCalendar) -> None:
    due = due_after(local("2018-05-12T12:00"), days(1), calendar, CLAUSE)
    assert last_second(due) == "2018-05-14 23:59:59"


def test_minutes_run_from_the_event_and_do_not_stop(calendar: WorkingCalendar) -> None:
    due = due_after(local("2018-05-14T18:25"), minutes(15), calendar, "R3 5.1")
    assert last_second(due) == "2018-05-14 18:40:00"
    assert due.rule is DueRule.MINUTES_FROM_EVENT


def test_the_local_date_decides_not_the_date_in_utc(calendar: WorkingCalendar) -> None:
    # 19:00 UTC of Monday is already Tuesday in the city.
    due = due_after(datetime(2018, 5, 14, 19, 0, tzinfo=UTC), days(1), calendar, CLAUSE)
    assert last_second(due) == "2018-05-16 23:59:59"


def test_a_term_that_spans_the_change_of_offset_ends_at_local_midnight(
    calendar: WorkingCalendar,
) -> None:
    due = due_after(local("2024-02-28T10:00"), days(2), calendar, CLAUSE)
    assert due.at == datetime(2024, 3, 1, 18, 59, 59, tzinfo=UTC)
    before = due_after(local("2024-02-20T10:00"), days(2), calendar, CLAUSE)
    assert before.at == datetime(2024, 2, 22, 17, 59, 59, tzinfo=UTC)


def test_the_day_with_an_hour_twice_ends_with_the_second_of_them(
    calendar: WorkingCalendar,
) -> None:
    due = due_after(local("2024-02-28T10:00"), days(1), calendar, CLAUSE)
    assert due.at == datetime(2024, 2, 29, 18, 59, 59, tzinfo=UTC)


def test_minutes_are_real_minutes_in_the_hour_that_came_twice(calendar: WorkingCalendar) -> None:
    start = datetime(2024, 2, 29, 17, 50, tzinfo=UTC)
    due = due_after(start, minutes(30), calendar, "R4 5")
    assert due.at - start == timedelta(minutes=30)


def test_another_reading_is_another_rule_by_name(calendar: WorkingCalendar) -> None:
    start = local("2018-05-14T09:30")
    literal = due_after(start, days(1), calendar, CLAUSE, counting=Counting(event_day_counts=True))
    assert last_second(literal) == "2018-05-14 23:59:59"
    assert literal.rule is DueRule.WORKING_DAYS_FROM_EVENT_DAY
    closing = due_after(
        start, days(1), calendar, CLAUSE, counting=Counting(closes=clock_time(18, 30))
    )
    assert last_second(closing) == "2018-05-15 18:30:00"
    assert closing.rule is DueRule.WORKING_DAYS_AFTER_EVENT_UNTIL_CLOSING
    both = Counting(event_day_counts=True, closes=clock_time(18, 30))
    assert both.rule is DueRule.WORKING_DAYS_FROM_EVENT_DAY_UNTIL_CLOSING


def test_the_literal_reading_does_not_count_a_day_off_as_day_one(
    calendar: WorkingCalendar,
) -> None:
    due = due_after(
        local("2018-05-12T12:00"),
        days(1),
        calendar,
        CLAUSE,
        counting=Counting(event_day_counts=True),
    )
    assert last_second(due) == "2018-05-14 23:59:59"


def test_every_rule_has_a_source() -> None:
    assert set(RULE_SOURCES) == set(DueRule)
    assert all(source.endswith(".") for source in RULE_SOURCES.values())


def test_a_chain_of_steps_and_the_whole_term_are_kept_apart(
    home_education: Procedure, calendar: WorkingCalendar
) -> None:
    registered = local("2018-05-14T09:30")
    whole = due_after(registered, home_education.whole_term, calendar, "R3 5")
    assert last_second(whole) == "2018-05-25 23:59:59"


def test_a_start_without_zone_is_refused(calendar: WorkingCalendar) -> None:
    naive = datetime(2018, 5, 14, 9, 30, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="with a time zone"):
        due_after(naive, days(1), calendar, CLAUSE)


def test_no_days_are_no_term() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        EVERY_WEEKDAY.last_day(date(2018, 5, 14), 0)
    with pytest.raises(ValidationError):
        TimeLimit(amount=0, unit=TimeUnit.MINUTES)


def test_a_due_is_a_frozen_instant_in_utc() -> None:
    moment = datetime(2018, 5, 14, 9, tzinfo=ZoneInfo("Asia/Almaty"))
    due = Due(at=moment, rule=DueRule.MINUTES_FROM_EVENT, calendar="c", clause=CLAUSE)
    assert due.at.tzinfo is UTC
    assert Due.model_validate_json(due.model_dump_json()) == due
    with pytest.raises(ValidationError):
        Due.model_validate({**due.model_dump(), "clause": "somewhere"})
    with pytest.raises(ValidationError):
        Due.model_validate({**due.model_dump(), "at": "2018-05-14T09:00:00"})


@given(
    day=st.dates(date(2015, 1, 2), date(2027, 6, 1)),
    amount=st.integers(1, 40),
    counts=st.booleans(),
)
def test_exactly_so_many_working_days_lie_in_a_term(day: date, amount: int, counts: bool) -> None:
    last = KAZAKHSTAN.last_day(day, amount, event_day_counts=counts)
    first = day if counts else day + timedelta(days=1)
    inside = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert sum(map(KAZAKHSTAN.is_working, inside)) == amount
    assert KAZAKHSTAN.is_working(last)


@given(
    start=st.datetimes(datetime(2015, 1, 2), datetime(2027, 6, 1)),  # noqa: DTZ001
    amount=st.integers(1, 20),
)
def test_more_days_are_never_due_earlier(start: datetime, amount: int) -> None:
    moment = start.replace(tzinfo=UTC)
    sooner = due_after(moment, days(amount), KAZAKHSTAN, CLAUSE)
    later = due_after(moment, days(amount + 1), KAZAKHSTAN, CLAUSE)
    assert moment < sooner.at < later.at


def test_a_due_costs_microseconds(calendar: WorkingCalendar) -> None:
    start, limit = local("2018-05-14T09:30"), days(6)
    due_after(start, limit, calendar, CLAUSE)
    began = time.perf_counter()
    for _ in range(5_000):
        due_after(start, limit, calendar, CLAUSE)
    assert time.perf_counter() - began < 0.25
