"""Events to bytes and back. The only door: nothing clear that must be sealed gets through."""

import json

from pydantic import ValidationError

from shared.events.catalogue import BY_TYPE, Entry
from shared.events.envelope import Envelope, Fact
from shared.events.event import Event, clear_of
from shared.events.upcasts import UPCASTS, upcast


class UnknownType(Exception):
    """The log holds an event that this build does not know; its case is parked, never skipped."""


class MalformedEvent(Exception):
    """The data of a record do not form the event its type names. Carries no values."""


def encode(event: Event) -> bytes:
    """The JSON of an event.

    Raises:
        TypeError: its private part is not sealed. That is a bug, caught before it is for ever.
    """
    if clear_of(event) is not None:
        raise TypeError(f"{type(event).__name__} has a private part that is not sealed")
    return event.model_dump_json(exclude_none=True).encode()


def decode(type_: str, data: bytes) -> tuple[Entry, Event]:
    """An event of any released version, as its newest model.

    Raises:
        UnknownType, MalformedEvent.
    """
    if type_ in UPCASTS:
        type_, data = _upcast(type_, data)
    entry = BY_TYPE.get(type_)
    if entry is None:
        raise UnknownType(_unknown(type_))
    return entry, _validated(entry.model, data)


def _upcast(type_: str, data: bytes) -> tuple[str, bytes]:
    """An old version as the newest one. What an upcaster stumbles over was no such event."""
    try:
        newest, values = upcast(type_, _plain(data))
        return newest, json.dumps(values).encode()
    except (LookupError, TypeError, ValueError, AttributeError):
        raise MalformedEvent(f"{type_}: is not of its version") from None


def _unknown(type_: str) -> str:
    """The type, and which version of it this build knows: a newer build has written to the log."""
    name = type_.rpartition(".")[0]
    known = [found.rpartition(".")[2] for found in BY_TYPE if found.rpartition(".")[0] == name]
    if known:
        return f"{type_[:70]}, where this build knows {known[0][:10]}"
    return type_[:100]


def fact_of(envelope: Envelope, data: bytes) -> Fact:
    """A whole fact from its envelope and data. Raises UnknownType, MalformedEvent."""
    entry, event = decode(envelope.type, data)
    if entry.owner is not envelope.source:
        raise MalformedEvent(f"{envelope.source.value} does not own {entry.type}")
    return Fact(envelope, entry, event)


def _validated(model: type[Event], data: bytes) -> Event:
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


def _plain(data: bytes) -> dict[str, object]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedEvent("not JSON") from None
    if not isinstance(values, dict):
        raise MalformedEvent("not a JSON object")
    return values
