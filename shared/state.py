"""The base of what stages remember of a case: frozen, small, nothing private."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict


class State(BaseModel):
    """A frozen piece of a stage's state."""

    model_config = ConfigDict(frozen=True)

    def but(self, changes: Mapping[str, object]) -> Self:
        """The same, with some fields changed; the new values are not checked.

        It is `model_copy` without the deep machinery: states are folded some thirty times a case,
        and pydantic's own copy was the largest single cost of that.
        """
        new = type(self).__new__(type(self))
        object.__setattr__(new, "__dict__", {**self.__dict__, **changes})
        object.__setattr__(new, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        object.__setattr__(new, "__pydantic_extra__", None)
        object.__setattr__(new, "__pydantic_private__", None)
        return new
