"""The IIN: which numbers are real, what an error may say, and made-up numbers of nobody."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.iin import Iin, InvalidIin, check_iin, make_synthetic_iin

TODAY = date(2026, 1, 15)


def why(text: str) -> InvalidIin:
    with pytest.raises(InvalidIin) as caught:
        check_iin(text, TODAY)
    return caught.value


@pytest.mark.parametrize(
    ("number", "born", "is_male"),
    [
        ("000101500001", date(2000, 1, 1), True),
        ("850101300005", date(1985, 1, 1), True),
        ("990228400103", date(1999, 2, 28), False),
        ("160229600006", date(2016, 2, 29), False),
    ],
)
def test_a_number_whose_first_pass_gives_the_digit(number: str, born: date, is_male: bool) -> None:
    assert check_iin(number, TODAY) == Iin(number, born, is_male)


@pytest.mark.parametrize("number", ["000101500206", "850101300603", "061211600012"])
def test_a_number_that_needs_the_second_pass(number: str) -> None:
    assert check_iin(number, TODAY).number == number


@pytest.mark.parametrize("body", ["00010150022", "85010130069"])
def test_a_number_with_no_control_digit_is_never_given_out(body: str) -> None:
    for digit in range(10):
        assert why(f"{body}{digit}").rule == "the control digit of an IIN"


def test_a_right_control_digit_does_not_make_a_date_real() -> None:
    assert why("150229600004").found == "no such date"


def test_the_certification_centres_own_test_number_is_refused() -> None:
    assert why("123456789011").rule == "the seventh digit of an IIN"


def test_a_wrong_control_digit_is_refused() -> None:
    assert why("000101500002").found == "another digit"


def test_nobody_is_born_tomorrow() -> None:
    tomorrow = make_synthetic_iin(date(2026, 1, 16), male=True, serial=1)
    assert tomorrow is not None
    assert why(tomorrow).found == "a future date"
    assert check_iin(tomorrow, date(2026, 1, 16)).born == date(2026, 1, 16)


@pytest.mark.parametrize("digit", "0789")
def test_centuries_that_are_not_assigned_are_refused(digit: str) -> None:
    assert why(f"000101{digit}00001").expected == "1 to 6 (century and sex)"


@pytest.mark.parametrize("text", ["", "00010150000", "0001015000011"])
def test_anything_but_twelve_characters_is_refused(text: str) -> None:
    assert why(text).found == f"{len(text)} characters"


@pytest.mark.parametrize("text", ["00010150000a", "0001015000١1", "00010150000²", " 00101500001"])
def test_only_plain_digits_are_digits(text: str) -> None:
    assert why(text).found == "other characters"


@given(st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_no_error_says_any_part_of_the_number(text: str) -> None:
    objection = None
    try:
        check_iin(text, TODAY)
    except InvalidIin as error:
        objection = error
    assert objection is None or text[:6] not in str(objection)
    assert objection is None or objection.__cause__ is None


def test_a_checked_number_does_not_show_itself() -> None:
    assert repr(check_iin("000101500001", TODAY)) == "Iin()"


@given(birth=st.dates(date(1800, 1, 1), TODAY), male=st.booleans(), serial=st.integers(0, 9999))
def test_a_synthetic_number_passes_the_check(birth: date, male: bool, serial: int) -> None:
    number = make_synthetic_iin(birth, male=male, serial=serial)
    if number is not None:
        assert check_iin(number, TODAY) == Iin(number, birth, male)


def test_a_serial_without_control_digit_gives_no_number() -> None:
    assert make_synthetic_iin(date(2000, 1, 1), male=True, serial=22) is None
    assert make_synthetic_iin(date(1985, 1, 1), male=True, serial=69) is None


def test_synthetic_numbers_have_their_limits() -> None:
    with pytest.raises(ValueError, match="expected 0 to 9999"):
        make_synthetic_iin(date(2000, 1, 1), male=True, serial=10_000)
    with pytest.raises(ValueError, match="expected 1800 to 2099"):
        make_synthetic_iin(date(1799, 1, 1), male=True, serial=1)
