"""What the JSON of a body must be before anything looks at it.

Python's own reader takes more than JSON is: NaN, the same name twice (the last one wins, whatever
was shown), numbers of any length, half of a surrogate pair. And JSON holds text that Postgres does
not store (NUL), or that shows in another order than it is read in: whoever signs must see what is
signed. See docs/decisions/0028.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Final, NoReturn

DEPTH_MAX: Final = 20
"""Arrays and objects inside each other; the deepest body of any route has 5."""
_DIGITS_MAX: Final = 19
"""As many as a 64-bit number has."""
_FORBIDDEN: Final = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters, but tab and line ends
    "\ud800-\udfff"  # halves of a pair
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they change the order in which text shows
    "\ufdd0-\ufdef\ufffe\uffff"  # no characters at all
    "]"
)

Place = tuple[str | int, ...]


class BadJson(Exception):
    """The body breaks a rule at a place. Carries no values; names in the place may be anybody's."""

    def __init__(self, rule: str, message: str, place: Place = ()) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.place = place


def check(body: bytes) -> None:
    """Raises BadJson for the first rule that the body breaks."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadJson("not_utf_8", "the body is not UTF-8") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_number,
            parse_constant=_constant,
        )
    except RecursionError:
        raise _too_deep(()) from None
    except ValueError:
        raise BadJson("json_invalid", "the body is not JSON") from None
    for place, found in _texts(value, (), DEPTH_MAX):
        if _FORBIDDEN.search(found):
            message = "text without control, bidirectional and incomplete characters is expected"
            raise BadJson("forbidden_character", message, place)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadJson("name_twice", "each name is expected once in an object", (twice,))
    return found


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _DIGITS_MAX:
        raise BadJson("number_out_of_range", f"at most {_DIGITS_MAX} digits are expected")
    return int(text)


def _number(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise BadJson("number_out_of_range", "a number of 64 bits is expected")
    return found


def _constant(_text: str) -> NoReturn:
    raise BadJson("json_invalid", "NaN and Infinity are not JSON")


def _texts(value: object, place: Place, depth: int) -> Iterator[tuple[Place, str]]:
    """Every text in the body, names included, with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list):
        if depth == 0:
            raise _too_deep(place[:1])
        if isinstance(value, dict):
            for name, each in value.items():
                yield (*place, name), name
                yield from _texts(each, (*place, name), depth - 1)
        else:
            for number, each in enumerate(value):
                yield from _texts(each, (*place, number), depth - 1)


def _too_deep(place: Place) -> BadJson:
    return BadJson("nested_too_deeply", f"at most {DEPTH_MAX} levels are expected", place)
