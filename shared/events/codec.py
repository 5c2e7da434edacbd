"""Events to bytes and back. The only door: nothing clear that must be sealed gets through."""

import json

from shared.events.catalogue import BY_TYPE, Entry
from shared.events.envelope import Envelope, Fact
from shared.events.event import Event, MalformedEvent, clear_of, event_in
from shared.events.upcasts import UPCASTS, upcast


class UnknownType(Exception):
    """The log holds an event that this build does not know; its case is parked, never skipped."""


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
    return entry, event_in(entry.model, data)


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
    fact = unread_fact_of(envelope, data)
    _ = fact.event
    return fact


def unread_fact_of(envelope: Envelope, data: bytes) -> Fact:
    """A fact whose event is read when it is first asked for, and raises MalformedEvent then.

    Raises UnknownType, MalformedEvent.
    """
    entry = BY_TYPE.get(envelope.type)
    event = None
    if entry is None:
        entry, event = decode(envelope.type, data)  # an old version, or an unknown one
    if entry.owner is not envelope.source:
        raise MalformedEvent(f"{envelope.source.value} does not own {entry.type}")
    return Fact(envelope, entry, event, data)


def _plain(data: bytes) -> dict[str, object]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedEvent("not JSON") from None
    if not isinstance(values, dict):
        raise MalformedEvent("not a JSON object")
    return values
