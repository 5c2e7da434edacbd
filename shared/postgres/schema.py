"""The names of schemas: ours, in code, so they are checked and never quoted."""

import re
from typing import Final

_SCHEMA: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


def checked_schema(name: str) -> str:
    """The name, when it needs no quotes in SQL. Raises ValueError otherwise."""
    if _SCHEMA.fullmatch(name) is None:
        raise ValueError(f"not a name of a schema: {name[:80]!r}")
    return name


def prefix(schema: str | None) -> str:
    """What to write before a table's name: nothing for the schema that the connection works in."""
    return "" if schema is None else f"{checked_schema(schema)}."
