"""A copy with some fields changed, of dataclasses and of structs alike."""

import dataclasses
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def replace(what: T, **changes: Any) -> T:
    """As `dataclasses.replace`."""
    if isinstance(what, msgspec.Struct):
        copy: T = msgspec.structs.replace(what, **changes)
        return copy
    assert dataclasses.is_dataclass(what)
    assert not isinstance(what, type)
    return dataclasses.replace(what, **changes)
