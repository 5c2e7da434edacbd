"""What the JSON of a body must be before anything looks at it.

Python's own reader takes more than JSON is: NaN, the same name twice (the last one wins, whatever
was shown), numbers of any length, half of a surrogate pair. And JSON holds text that Postgres does
not store (NUL), or that shows in another order than it is read in: whoever signs must see what is
signed. See docs/decisions/0028.
"""

import json
import math
import re
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

_ESCAPED: Final = re.compile(
    r"\\u(?:00[0189]|007f|d[89a-f]|061c|20[026]|fd[de]|fff[ef])", re.IGNORECASE
)
"""An escape that may stand for one of them; only a look at the text itself tells."""

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
        value = _READER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise BadJson("json_invalid", "the body is not JSON") from None
    if _is_too_deep(value):
        raise _too_deep()
    # Looked for in the whole first: the place is asked for only when there is something to find.
    if _FORBIDDEN.search(text) or _ESCAPED.search(text):
        _check_texts(value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BadJson("name_twice", "each name is expected once in an object", (name,))
            seen.add(name)
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


_READER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_number, parse_constant=_constant
)


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _check_texts(value: object) -> None:
    """Every text in the body, names included."""
    waiting: list[tuple[Place, object]] = [((), value)]
    while waiting:
        place, found = waiting.pop()
        if isinstance(found, str):
            if _FORBIDDEN.search(found):
                message = (
                    "text without control, bidirectional and incomplete characters is expected"
                )
                raise BadJson("forbidden_character", message, place)
        elif isinstance(found, dict):
            for name, inner in found.items():
                waiting += (((*place, name), name), ((*place, name), inner))
        elif isinstance(found, list):
            waiting += (((*place, number), inner) for number, inner in enumerate(found))


def _too_deep() -> BadJson:
    return BadJson("nested_too_deeply", f"at most {DEPTH_MAX} levels are expected")
