"""What all events have in common, and the sealed part that some of them carry."""

import typing
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

Sealed = Annotated[
    str, StringConstraints(pattern=r"^(sealed\.v1\.[A-Za-z0-9_\-]+|erased)$", max_length=1_000_000)
]
"""Personal data and free text as the log carries them: one encrypted block, or the word `erased`.

An event declares `private: <model> | Sealed`. The pure functions put the model in; the journal
seals it; nobody can write a clear model to the journal (`codec.encode` refuses).
"""

ERASED: Sealed = "erased"


Instant = Annotated[
    datetime,
    AwareDatetime,
    Field(ge=datetime(2, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC)),
]
"""When something happened: with its zone, and such that every other zone can name it, too."""


class Kind(StrEnum):
    """What an event does to a case (D8)."""

    HAND_OFF = "hand-off"
    """Only from the holder; the turn rises and the next holder is named."""
    DECISION = "decision"
    """Only from the holder; the holder stays."""
    STATEMENT = "statement"
    """From its owner at any time; whoever holds the case answers it."""


class Event(BaseModel):
    """A small frozen fact. Its name in the log stands in `catalogue.py`, never in a Python path."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Private(BaseModel):
    """The part of an event that only ever travels sealed: personal data and free text."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=20_000)


class Remark(Private):
    """Free text of a person about a case: an instruction, a reason, a remark."""

    text: str


def private_of(event: Event) -> Private | Sealed | None:
    """The private part of any event, sealed or not; None of an event without one.

    Asked of every event; looked up directly, since a model answers slowly for what it lacks.
    """
    found: Private | Sealed | None = event.__dict__.get("private")
    return found


def clear_of(event: Event) -> Private | None:
    """The private part of an event if it is not sealed yet; None also of one that has none."""
    found = private_of(event)
    return None if found is None or type(found) is str else typing.cast(Private, found)


class MalformedEvent(Exception):
    """The data of a record do not form the event its type names. Carries no values."""


def event_in(model: type[Event], data: bytes) -> Event:
    """An event from its JSON. Raises MalformedEvent."""
    try:
        event: Event = model.model_validate_json(data)
    except ValidationError as error:
        raise MalformedEvent(f"{model.__name__}: {', '.join(_places(model, error))}") from None
    except OverflowError:  # an instant at the edge of the calendar, in another zone
        raise MalformedEvent(f"{model.__name__}: an instant out of range") from None
    if clear_of(event) is not None:
        raise MalformedEvent(f"{model.__name__}: private is not sealed")
    return event


def _places(model: type[Event], error: ValidationError) -> list[str]:
    """The fields that cannot be read. Names that the record made up itself are not repeated."""
    names = (str(item["loc"][0]) if item["loc"] else "" for item in error.errors())
    return sorted({name if name in model.model_fields else "an unknown field" for name in names})
