"""The base of what stages remember of a case: frozen, small, nothing private.

States are folded, written and read back some thirty times a case, and nobody outside their stage
ever sees one. So they are plain structs of the `msgspec` library, an order of magnitude cheaper
than the models of the log, which check what comes from outside (ADR 0018).
"""

from collections.abc import Mapping
from functools import cache
from typing import Self, TypeVar

import msgspec
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

S = TypeVar("S", bound="State")


class State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A frozen piece of a stage's state. Equal states are written alike, byte by byte."""

    def but(self, changes: Mapping[str, object]) -> Self:
        """The same, with some fields changed; the new values are not checked."""
        return replace(self, **changes)

    def written(self) -> str:
        """The state as the stage's table keeps it: JSON."""
        return _ENCODER.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read back what `written` wrote.

        Raises:
            msgspec.ValidationError: it is not such a state; another build wrote it.
        """
        state: Self = _decoder(cls).decode(text)
        return state


_ENCODER = Encoder()


@cache
def _decoder(type_: type[S]) -> Decoder[S]:
    return Decoder(type_)
