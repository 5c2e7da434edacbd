"""How the attributes of an envelope are spelt, and all of them read in one look.

Plain texts only: what they mean is in `envelope`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from operator import itemgetter
from typing import Final

from shared.identifiers import Source

CONTENT_TYPE: Final = ("content-type", b"application/json")
SPEC_VERSION: Final = "1.0"

Headers = Sequence[tuple[str, bytes | None]]
"""Of a record, as a client gives them."""

Spelt = tuple[str, ...]
"""The values of an envelope as texts, in the order of their names; the absent ones are empty."""


_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NEEDED: Final[Mapping[str, str]] = {
    "specversion": re.escape(SPEC_VERSION),
    "id": _UUID,
    "subject": _UUID,
    "correlationid": _UUID,
    "source": "|".join(Source),
    "type": r"[a-z0-9.\-]{1,200}",
    "sequence": r"[1-9][0-9]{0,8}",
    "turn": r"0|[1-9][0-9]{0,8}",
    "time": r"[2-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
    "actor": r"(?:staff|rule|applicant|operator):[a-z0-9][a-z0-9\-]{0,63}",
    "office": r"[a-z][a-z0-9\-]{1,40}",
    "procedure": r"department|[a-z0-9\-]{1,64}@[0-9\-]{10}#[0-9a-f]{64}",
    "synthetic": "true|false",
    "prevhash": r"[0-9a-f]{64}",
}
OPTIONAL: Final[Mapping[str, str]] = {
    "causationid": _UUID,
    "idempotencykey": r"[0-9a-f]{64}:[0-9a-f]{64}",
    "traceparent": r"[0-9a-f]{2}(?:-[0-9a-f]{2,32}){3}",
}
"""How each attribute is spelt: no free text, nothing of a person, nothing that hides (D11)."""

_ALL_NEEDED: Final = re.compile("\n".join(f"(?:{spelling})" for spelling in NEEDED.values()))
"""All needed attributes in one look, a line each: this is asked of every record that is read."""
_needed_of: Final = itemgetter(*NEEDED)
_OPTIONAL_SPELT: Final = {name: re.compile(spelling) for name, spelling in OPTIONAL.items()}
NAMES: Final = (
    "actor", "causationid", "subject", "id", "idempotencykey", "office", "prevhash", "procedure",
    "sequence", "source", "synthetic", "time", "traceparent", "turn", "type",
)  # fmt: skip
ACTOR, CASE, EVENT, OFFICE, PREVIOUS, SEQUENCE, SOURCE, SYNTHETIC, TIME, TURN, TYPE = (
    NAMES.index(name)
    for name in (
        "actor", "subject", "id", "office", "prevhash", "sequence", "source", "synthetic", "time",
        "turn", "type",
    )
)  # fmt: skip
"""Where each of them stands among the values of `spelt_in`."""
SPELT_LENGTH: Final = len(NAMES)


def _shapes() -> Iterator[tuple[tuple[str, ...], re.Pattern[str]]]:
    """The names of a record's headers as we write them, and how their values are spelt.

    Each value is a line, and no spelling allows a line's end: so none hides in another.
    """
    for absent in product(*((None, name) for name in OPTIONAL)):
        names, lines = [CONTENT_TYPE[0]], [re.escape(CONTENT_TYPE[1].decode())]
        for name, spelling in sorted({**NEEDED, **OPTIONAL}.items()):
            if name in absent:
                lines[-1] += "()"
                continue
            names.append(f"ce_{name}")
            lines.append(_GROUPED.get(name, "({})").format(spelling))
        yield tuple(names), re.compile("\n".join(lines))


_GROUPED: Final = {
    "specversion": "(?:{})",
    "correlationid": "(?P<case>{})",
    "subject": "(?P=case)",
}
AS_WRITTEN: Final = dict(_shapes())
"""By the names of the headers: the whole envelope in one look."""


def spelt_in(headers: Headers) -> Spelt | None:
    """The values of an envelope that is written as we write it; None of any other, good or bad."""
    try:
        names, values = zip(*headers, strict=True)
        found = AS_WRITTEN[names].fullmatch(b"\n".join(values).decode())
        if found is None:
            return None
        spelt = found.groups()
        datetime.fromisoformat(spelt[TIME])
    except (KeyError, TypeError, ValueError):
        return None
    return spelt


def is_well_spelt(found: Mapping[str, str]) -> bool:
    try:
        needed = _needed_of(found)
        datetime.fromisoformat(found["time"])
    except (KeyError, ValueError):
        return False
    return (
        _ALL_NEEDED.fullmatch("\n".join(needed)) is not None
        and found["correlationid"] == found["subject"]
        and all(
            spelling.fullmatch(found[name]) is not None
            for name, spelling in _OPTIONAL_SPELT.items()
            if name in found
        )
    )


def first_fault(found: Mapping[str, str]) -> str:
    """What is wrong with an envelope, by the first attribute that is; never its value."""
    for name, spelling in (*NEEDED.items(), *OPTIONAL.items()):
        text = found.get(name)
        if text is None and name in NEEDED:
            return f"attribute {name!r} is missing"
        if text is not None and re.fullmatch(spelling, text) is None:
            return f"attribute {name!r} is not of its type"
    if found["correlationid"] != found["subject"]:
        return "attribute 'correlationid' is not the subject"
    return "attribute 'time' is not of its type"
