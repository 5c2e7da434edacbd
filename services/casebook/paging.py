"""Lists in pages: `limit` and `after` go in, `next` comes out, of every list alike (ADR 0026).

`next` says where the last row stands in the list's order, so a page is as cheap as the first one
and rows that come meanwhile move nothing. To its reader it is opaque; it holds no person's data.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from fastapi import Depends, Query

from shared.errors import Because, Refused

LIST_MAX: Final = 200
_CURSOR_MAX: Final = 300
_INTEGER_MAX: Final = 2**31
_TEXT_MAX: Final = 60

Row: TypeAlias = asyncpg.Record | dict[str, Any]
"""A row as it lies in a table, or as it was in the past and lies in none."""
_R = TypeVar("_R", bound=Row)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    limit: int = 50
    after: str | None = None

    @property
    def most(self) -> int:
        """Rows to fetch: one more than are shown, to know whether the list goes on."""
        return self.limit + 1


async def _page(
    limit: Annotated[int, Query(ge=1, le=LIST_MAX, description="Rows of one page")] = 50,
    after: Annotated[
        str | None, Query(max_length=_CURSOR_MAX, description="`next` of the page before")
    ] = None,
) -> Page:
    return Page(limit, after)


Asked = Annotated[Page, Depends(_page)]
"""The query parameters `limit` and `after`."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order of one list: its name, and the columns that place a row, each with its type.

    The last column tells rows apart that are otherwise equal.
    """

    name: str
    columns: Mapping[str, type]

    def place(self, page: Page) -> tuple[object, ...] | None:
        """Where the page begins: behind these values; None: with the first row.

        Raises:
            Refused: the text is not a `next` of this list.
        """
        if page.after is None:
            return None
        try:
            padded = page.after + "=" * (-len(page.after) % 4)
            name, *values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if name != self.name:
                raise _no_cursor()
            kinds = zip(self.columns.values(), values, strict=True)
            return tuple(_READ[kind](value) for kind, value in kinds)
        except (ValueError, TypeError, OverflowError):
            raise _no_cursor() from None

    def cut(self, rows: Sequence[_R], page: Page) -> tuple[Sequence[_R], str | None]:
        """The rows to show, and where the list goes on, if it does."""
        shown = rows[: page.limit]
        return shown, self._cursor(shown[-1]) if len(rows) > page.limit else None

    def _cursor(self, row: Row) -> str:
        values = [_written(row[column]) for column in self.columns]
        text = json.dumps([self.name, *values], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _written(value: object) -> str | int:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)


def _moment(value: object) -> datetime:
    found = datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise ValueError("a moment without a zone")
    return found.astimezone(UTC)


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _INTEGER_MAX:
        raise ValueError("not a place")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_MAX or not value.isascii():
        raise ValueError("not a key")
    if not value.isprintable():
        raise ValueError("not a key")
    return value


_READ: Final[Mapping[type, Callable[[object], object]]] = MappingProxyType(
    {datetime: _moment, UUID: lambda value: UUID(_text(value)), int: _integer, str: _text}
)


def _no_cursor() -> Refused:
    return Refused(
        "a list goes on from where it told",
        expected="the `next` of the page before, of the same list in the same order",
        found="something else",
        because=Because.INPUT,
        field="after",
    )
