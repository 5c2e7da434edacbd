"""Kazakhstan's working calendar: what the library says, held against the published transfers.

The dates below were collected apart from the library (government resolutions and orders of the
Minister of Labour on days off, and the rule of article 5 of the Law on holidays).
"""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from shared.procedures.working_time import (
    OutsideCalendar,
    WorkingCalendar,
    calendar_from_holidays,
)

# A holiday on a weekend frees the working day after it.
FREED = {
    2015: "03-09 03-24 03-25 05-11 08-31",
    2016: "01-04 05-02 05-10 12-19",
    2017: "01-03 05-08 12-18 12-19",
    2018: "12-03 12-18",
    2019: "03-25 07-08 12-02",
    2020: "03-09 03-24 03-25 08-31",
    2021: "01-04 03-24 05-03 05-10",
    2022: "01-03 01-04 05-02 05-10",
    2023: "01-03 05-08 12-18",
    2024: "03-25 07-08",
    2025: "03-10 03-24 03-25 07-07 09-01 10-27",
    2026: "03-09 03-24 03-25 05-11 10-26",
}
# Days off moved by decree: (the day freed, the day worked instead).
MOVED = {
    2016: [("03-07", "03-05")],
    2017: [("03-20", "03-18"), ("07-07", "07-01")],
    2018: [
        ("03-09", "03-03"),
        ("04-30", "04-28"),
        ("05-08", "05-05"),
        ("08-31", "08-25"),
        ("12-31", "12-29"),
    ],
    2019: [("05-10", "05-04")],
    2020: [("01-03", "01-05"), ("12-18", "12-20"), ("05-08", "05-11")],
    2021: [("07-05", "07-03")],
    2022: [("03-07", "03-05"), ("08-29", "08-27"), ("10-24", "10-22")],
    2023: [("07-07", "07-01")],
    2024: [("05-08", "05-04")],
    2025: [("01-03", "01-05")],
}
KURBAN_AIT = {
    2015: "09-24", 2016: "09-12", 2017: "09-01", 2018: "08-21", 2019: "08-11", 2020: "07-31",
    2021: "07-20", 2022: "07-09", 2023: "06-28", 2024: "06-16", 2025: "06-06", 2026: "05-27",
}  # fmt: skip


def on(year: int, month_and_day: str) -> date:
    return date.fromisoformat(f"{year}-{month_and_day}")


def holidays_by_law(year: int) -> set[date]:
    days = {"01-01", "01-02", "03-08", "03-21", "03-22", "03-23", "05-01", "05-07", "05-09"}
    days |= {"07-06", "12-16"}
    if year <= 2025:
        days.add("08-30")
    if year <= 2021:
        days |= {"12-01", "12-17"}
    else:
        days.add("10-25")
    return {on(year, day) for day in days}


def working_by_the_lists(day: date) -> bool:
    year = day.year
    moved = MOVED.get(year, [])
    if day in {on(year, worked) for _, worked in moved}:
        return True
    free = holidays_by_law(year) | {on(year, freed) for freed, _ in moved}
    free |= {on(year, freed) for freed in FREED[year].split()}
    free |= {on(year, "01-07"), on(year, KURBAN_AIT[year])}
    return day.weekday() < 5 and day not in free


def days_of(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)


@pytest.mark.parametrize("year", range(2015, 2027))
def test_the_library_agrees_with_the_published_lists_on_every_day(
    calendar: WorkingCalendar, year: int
) -> None:
    differing = [
        str(day) for day in days_of(year) if calendar.is_working(day) != working_by_the_lists(day)
    ]
    assert differing == []


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2020-01-05", True),  # a Sunday made working
        ("2020-12-20", True),  # a Sunday made working
        ("2025-01-05", True),  # a Sunday made working
        ("2020-05-11", True),  # Victory Day's Monday off, itself moved to the 8th
        ("2020-05-08", False),
        ("2024-01-07", False),  # Christmas on a Sunday frees nothing
        ("2024-01-08", True),
        ("2022-07-09", False),  # Kurban Ait on a Saturday frees nothing
        ("2022-07-11", True),
        ("2024-06-17", True),  # announced at first, then moved to Sunday the 16th
        ("2026-08-31", True),  # 30 August is no holiday any more
        ("2020-04-01", True),  # the stand-still of spring 2020 is not in the calendar
    ],
)
def test_days_that_calendars_get_wrong(calendar: WorkingCalendar, day: str, working: bool) -> None:
    assert calendar.is_working(date.fromisoformat(day)) is working


def test_the_version_says_library_and_years(calendar: WorkingCalendar) -> None:
    name, _, rest = calendar.version.partition("-")
    assert name == "holidays"
    assert rest.endswith("-KZ-2015-2028")
    assert calendar_from_holidays([2020]).version.endswith("-KZ-2020-2020")


def test_a_year_without_data_is_never_guessed(calendar: WorkingCalendar) -> None:
    with pytest.raises(OutsideCalendar, match="no data on 2029"):
        calendar.is_working(date(2029, 1, 3))
    with pytest.raises(OutsideCalendar, match="expected a day of 2015-2028"):
        calendar.last_day(date(2028, 12, 29), 5)


def test_a_calendar_of_ones_own_needs_no_library() -> None:
    monday = date(2024, 6, 17)
    own = WorkingCalendar(
        version="own-1",
        non_working=frozenset({monday}),
        working_weekends=frozenset({date(2024, 6, 15)}),
    )
    assert own.is_working(date(2024, 6, 15))
    assert not own.is_working(monday)
    assert not own.is_working(date(2024, 6, 16))
    assert own.last_day(date(2024, 6, 14), 2) == date(2024, 6, 18)
