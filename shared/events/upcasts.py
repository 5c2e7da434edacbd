"""How an event of an old shape is read today: old type string → new type string and data.

Empty until the first `.v2`. An upcaster is pure, works on plain JSON values, and never needs
what the old event did not say. Its input samples stay in `tests/contracts/samples` for good.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTS: Final[Mapping[str, tuple[str, Upcaster]]] = {}


def newest(type_: str) -> str:
    """The type string under which a stored version is read today."""
    while type_ in UPCASTS:
        type_ = UPCASTS[type_][0]
    return type_


def upcast(type_: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Walk from the stored version of an event to the newest one."""
    while type_ in UPCASTS:
        type_, step = UPCASTS[type_]
        data = step(data)
    return type_, data
