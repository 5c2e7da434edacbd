"""Read your own writes (D15): the place in the log that a client has been told."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Query

from shared.errors import Because, Refused
from shared.messaging.topics import CASE_EVENTS, partitions_of

_POSITION: Final = re.compile(r"(?P<partition>0|[1-9][0-9]{0,4}):(?P<offset>0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True, order=True)
class LogPosition:
    """A record's place in `case-events`, written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "LogPosition":
        """Read back what `str` wrote. Raises ValueError when it is not of that form."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise ValueError("not <partition>:<offset>")
        return cls(int(match["partition"]), int(match["offset"]))


async def _min_position(
    min_position: Annotated[
        str | None,
        Query(description="Wait until this position of the log is read: `partition:offset`."),
    ] = None,
) -> LogPosition | None:
    if min_position is None:
        return None
    try:
        position = LogPosition.parse(min_position)
    except ValueError:
        raise _no_position("something else") from None
    if position.partition not in partitions_of(CASE_EVENTS):
        raise _no_position("a partition that is not there")
    return position


def _no_position(found: str) -> Refused:
    return Refused(
        "a position has a partition and an offset",
        expected="partition:offset",
        found=found,
        because=Because.INPUT,
        field="min_position",
    )


MinPosition = Annotated[LogPosition | None, Depends(_min_position)]
"""The query parameter `min_position`, None when absent."""
