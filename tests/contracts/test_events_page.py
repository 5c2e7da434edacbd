"""docs/events.md says what the catalogue says.

`.venv/bin/python -m tests.contracts.test_events_page` writes the page.
"""

import types
import typing
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import Path

from pydantic import BaseModel

from services.executor import reactions as executor
from services.intake import reactions as intake
from services.notify import reactions as notify
from services.routing import reactions as routing
from services.signing import reactions as signing
from shared.events import holder
from shared.events.catalogue import ENTRIES, Entry
from shared.events.event import Event, Private, Sealed
from shared.identifiers import (
    ApplicantRef,
    Clause,
    Code,
    Digest,
    Edition,
    EventId,
    OfficeId,
    RegistrationNumber,
    Source,
)
from shared.procedures.due import Due

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
HEEDS = {
    Source.INTAKE: intake.HEEDS,
    Source.ROUTING: routing.HEEDS | routing.DEPARTMENT_HEEDS,
    Source.EXECUTOR: executor.HEEDS,
    Source.SIGNING: signing.HEEDS,
    Source.NOTIFY: notify.HEEDS,
}
WORDS: list[tuple[object, str]] = [
    (ApplicantRef, "applicant reference (UUID)"),
    (EventId, "event id (UUID)"),
    (Clause, "clause"),
    (Code, "code"),
    (Digest, "SHA-256, hex"),
    (Edition, "edition"),
    (OfficeId, "id of small letters, digits and hyphens"),
    (RegistrationNumber, "registration number"),
    (Sealed, "sealed block"),
    (Due, "due: instant, rule, calendar, clause"),
    (datetime, "instant"),
    (date, "day"),
    (bool, "yes or no"),
    (int, "whole number"),
    (str, "text"),
]
INTRODUCTION = """\
# Events

Written by `tests/contracts/test_events_page.py` from `shared/events/catalogue.py`; do not edit.

The type string is the contract. It never changes; a new shape of an event is a new string that
ends in `.v2`, with an upcaster from the old one in `shared/events/upcasts.py`.

- **Hand-off**: only from the holder of the case. The turn rises, the next holder is named.
- **Decision**: only from the holder. The holder stays, or the case ends.
- **Statement**: from its owner at any time. Whoever holds the case answers those that ask for
  an answer.

A fact of a stage that did not hold the turn it names is kept and changes nothing. `private` always
travels as one sealed block, or as the word `erased`. Besides its data, each record carries the
CloudEvents envelope in `ce_*` headers (`shared/events/envelope.py`).

"Looked at in" names the stages whose reactions are asked after the event; all stages and casebook
fold every event. `ApplicationForwarded` is in the contract, and no rule tells it yet.

The same for machines: [AsyncAPI](contracts/asyncapi.json), [JSON Schemas](contracts/events).
"""


def test_the_page_says_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(), (
        "run: .venv/bin/python -m tests.contracts.test_events_page"
    )


def written() -> str:
    """The page."""
    shared = {entry.model for entry in ENTRIES if entry.model.__module__ == holder.__name__}
    cases = [entry for entry in ENTRIES if not entry.department and entry.model not in shared]
    department = [entry for entry in ENTRIES if entry.department]
    parts = [INTRODUCTION, *_overview()]
    for source in Source:
        parts.append(f"## {source.value}\n")
        parts += [_section(entry) for entry in cases if entry.owner is source]
    parts.append("## Whoever holds the case\n\nEach stage tells these under its own name.\n")
    first = Source.INTAKE
    parts += [
        _section(entry) for entry in ENTRIES if entry.model in shared and entry.owner is first
    ]
    parts.append(
        "## The department\n\nTold by routing on the topic `department-events`: of no case.\n"
    )
    parts += [_section(entry) for entry in department]
    return "\n".join(parts)


def _overview() -> Iterator[str]:
    yield "| Event | Owner | Kind | After it | Looked at in |"
    yield "| --- | --- | --- | --- | --- |"
    for entry in ENTRIES:
        if entry.model.__module__ == holder.__name__ and entry.owner is not Source.INTAKE:
            continue
        name = entry.model.__name__
        yield (
            f"| [{name}](#{name.lower()}) | {_owner(entry)} | {entry.kind.value} "
            f"| {_after(entry)} | {_heeded(entry.model)} |"
        )
    yield ""


def _section(entry: Entry) -> str:
    said = " ".join((entry.model.__doc__ or "").split())
    type_ = entry.type
    if entry.model.__module__ == holder.__name__:
        type_ = type_.replace(Source.INTAKE.value, "<stage>")
    rows = [f"| `{name}` | {form} |" for name, form in _fields(entry.model)]
    table = "\n".join(["| Field | Is |", "| --- | --- |", *rows])
    return f"### {entry.model.__name__}\n\n`{type_}`: {said}\n\n{table}\n"


def _owner(entry: Entry) -> str:
    return "each stage" if entry.model.__module__ == holder.__name__ else entry.owner.value


def _after(entry: Entry) -> str:
    if entry.hands_to is not None:
        return f"{entry.hands_to.value} holds"
    return f"over: {entry.ends}" if entry.ends is not None else ""


def _heeded(model: type[Event]) -> str:
    return ", ".join(source.value for source, heeds in HEEDS.items() if model in heeds)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    hints = typing.get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        hint = hints[name]
        form = _form(hint)
        is_sure = field.is_required() and types.NoneType not in typing.get_args(hint)
        yield name, form if is_sure else f"{form}; may be absent"


def _form(hint: object) -> str:
    """A type in plain words."""
    for known, word in WORDS:
        if hint == known:
            return word
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "(" + "; ".join(f"{name}: {form}" for name, form in _fields(hint)) + ")"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _choice(list(hint))
    return _composed(typing.get_origin(hint), typing.get_args(hint))


def _composed(origin: object, inner: tuple[object, ...]) -> str:
    if origin is typing.Literal:
        return _choice(inner)
    if origin is tuple:
        return f"list of: {_form(inner[0])}"
    if origin in (types.UnionType, typing.Union):
        return _union([part for part in inner if part is not types.NoneType])
    assert origin is typing.Annotated, origin
    return _form(inner[0])


def _choice(values: Sequence[object]) -> str:
    return " or ".join(f"`{getattr(value, 'value', value)}`" for value in values)


def _union(parts: list[object]) -> str:
    sealed = [part for part in parts if isinstance(part, type) and issubclass(part, Private)]
    if not sealed:
        return " or ".join(_form(part) for part in parts)
    names = ", ".join(f"`{name}`" for model in sealed for name in model.model_fields)
    return f"sealed: {names}"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
