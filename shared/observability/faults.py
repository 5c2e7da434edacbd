"""An exception as log lines may show it: its type, where it passed, and seldom its message.

Messages quote what was wrong: a pydantic error the value, a Postgres error the row, a KeyError
the key. Any of them can be a person's. So only the messages of our own classes are shown, which
promise to carry none, and of those built-in ones that speak of code and machines (not of
AssertionError: `assert_never` quotes the whole event). Local variables are never shown.
"""

import traceback
from collections.abc import Iterator
from typing import Final

_OURS: Final = ("shared.", "services.", "deploy.")
_SPEAKING: Final = (
    AttributeError,
    ImportError,
    IndexError,
    MemoryError,
    NameError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
)
_FRAMES_MAX: Final = 40
_CHAIN_MAX: Final = 8
_MESSAGE_MAX: Final = 300


def described(fault: BaseException) -> list[dict[str, object]]:
    """The exception and what led to it, outermost first, each with its type and stack."""
    return [_one(each) for _, each in zip(range(_CHAIN_MAX), _chain(fault), strict=False)]


def _chain(fault: BaseException) -> Iterator[BaseException]:
    yield fault
    if isinstance(fault, BaseExceptionGroup):
        for each in fault.exceptions:
            yield from _chain(each)
    before = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    if before is not None:
        yield from _chain(before)


def _one(fault: BaseException) -> dict[str, object]:
    kind = type(fault)
    found: dict[str, object] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    if kind.__module__.startswith(_OURS) or isinstance(fault, _SPEAKING):
        found["message"] = str(fault)[:_MESSAGE_MAX]
    for mark in ("sqlstate", "constraint_name", "table_name"):
        if isinstance(value := getattr(fault, mark, None), str):
            found[mark] = value
    frames = traceback.extract_tb(fault.__traceback__)[-_FRAMES_MAX:]
    found["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return found
