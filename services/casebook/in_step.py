"""Several sources in the order of their cases, walked side by side: a case at a time from all."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


class ByCase(Generic[T]):
    """Rows that come in the order of their cases, given out case by case."""

    def __init__(self, rows: AsyncIterator[T], case_of: Callable[[T], UUID]) -> None:
        self._rows = rows
        self._case_of = case_of
        self._first: T | None = None
        self._ended = False

    async def next_case(self) -> UUID | None:
        """Of which case the next row is; None at the end."""
        if self._first is None and not self._ended:
            self._first = await anext(self._rows, None)
            self._ended = self._first is None
        return None if self._first is None else self._case_of(self._first)

    async def of(self, case_id: UUID) -> list[T]:
        """The rows of a case, if it is the next one."""
        found: list[T] = []
        while await self.next_case() == case_id:
            assert self._first is not None
            found.append(self._first)
            self._first = None
        return found


async def in_step(
    streams: Sequence[ByCase[Any]],
) -> AsyncIterator[tuple[UUID, list[list[Any]]]]:
    """Each case that any of the streams has, with the rows of each."""
    while True:
        heads = [head for stream in streams if (head := await stream.next_case()) is not None]
        if not heads:
            return
        case_id = min(heads)
        yield case_id, [await stream.of(case_id) for stream in streams]
