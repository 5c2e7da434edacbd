"""The individual identification number (IIN): checked, and made up for synthetic people.

No error text and no `repr` here carries a number: it is personal data. Strict checks are for
people; test certificates of the certification centre carry numbers that fail them.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

LENGTH: Final = 12
_CENTURIES: Final = {1: 1800, 2: 1800, 3: 1900, 4: 1900, 5: 2000, 6: 2000}
"""Digit 7: the century of birth, odd for men. 0 and 7-9 are not assigned."""
_FIRST_WEIGHTS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS: Final = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_MODULUS: Final = 11
_NO_DIGIT: Final = 10
_SERIALS: Final = 10_000


class InvalidIin(ValueError):
    """The text is no IIN. Says which rule it breaks, never the text itself."""

    def __init__(self, rule: str, *, expected: str, found: str) -> None:
        super().__init__(f"{rule}: expected {expected}, found {found}")
        self.rule = rule
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class Iin:
    """A checked number and what it says of its holder."""

    number: str = field(repr=False)
    born: date = field(repr=False)
    is_male: bool = field(repr=False)


def check_iin(text: str, today: date) -> Iin:
    """The number, checked: twelve digits, an assigned century, a real past date, its control digit.

    Raises `InvalidIin` for the first rule that it breaks.
    """
    if len(text) != LENGTH:
        raise InvalidIin(
            "an IIN has twelve digits", expected="12 digits", found=f"{len(text)} characters"
        )
    if not (text.isascii() and text.isdigit()):
        raise InvalidIin(
            "an IIN has twelve digits", expected="digits only", found="other characters"
        )
    born = _birth(text, today)
    expected = _control_digit(text[:-1])
    if expected is None:
        raise InvalidIin(
            "the control digit of an IIN",
            expected="a number for which a control digit exists",
            found="one that is never given out",
        )
    if int(text[-1]) != expected:
        raise InvalidIin(
            "the control digit of an IIN",
            expected="the digit that the others give",
            found="another digit",
        )
    return Iin(number=text, born=born, is_male=int(text[6]) % 2 == 1)


def make_synthetic_iin(birth: date, *, male: bool, serial: int) -> str | None:
    """A well-formed number of nobody; `None` where the rules give this serial no control digit."""
    if not 0 <= serial < _SERIALS:
        raise ValueError(f"serial of a synthetic IIN: expected 0 to {_SERIALS - 1}, found {serial}")
    centuries = [digit for digit, year in _CENTURIES.items() if year == birth.year // 100 * 100]
    if not centuries:
        raise ValueError(f"birth of a synthetic IIN: expected 1800 to 2099, found {birth.year}")
    digit = next(digit for digit in centuries if (digit % 2 == 1) is male)
    body = f"{birth:%y%m%d}{digit}{serial:04d}"
    control = _control_digit(body)
    return None if control is None else f"{body}{control}"


def _birth(text: str, today: date) -> date:
    century = _CENTURIES.get(int(text[6]))
    if century is None:
        raise InvalidIin(
            "the seventh digit of an IIN", expected="1 to 6 (century and sex)", found="another"
        )
    try:
        born = date(century + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        # The library's own text would quote parts of the number.
        raise InvalidIin(
            "an IIN begins with a date of birth", expected="a real date", found="no such date"
        ) from None
    if born > today:
        raise InvalidIin(
            "an IIN begins with a date of birth", expected="a past date", found="a future date"
        )
    return born


def _control_digit(body: str) -> int | None:
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        rest = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
        if rest % _MODULUS != _NO_DIGIT:
            return rest % _MODULUS
    return None
