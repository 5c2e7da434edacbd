"""Bodies of events as this build writes them, read in one look, without making models of them.

`codec.encode` writes an event in one way only: its fields in their order, no blanks, texts of
closed alphabets. So how a body is spelt follows from its model, and one regular expression both
judges it and takes it apart. It is narrower than the model: what it matches, the model accepts,
and would write again byte for byte (a test asks that of any bytes). Whatever it does not match is
no fault: that goes the long way, by `codec`, which also names what is wrong.

The values are *words*: texts as they stand in the JSON, in the order of `paths_of`. An absent
field is None, a list is its whole JSON text. `words_in` gives the same of an event that was read
the long way.
"""

import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from operator import itemgetter
from typing import Any, Final, Literal, cast
from uuid import UUID

from annotated_types import MaxLen, MinLen
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from shared.events.codec import encode
from shared.events.event import Event, Private

Words = tuple[str | None, ...]
"""What an event says, by the places of `paths_of`."""

BYTES_MAX: Final = 1_000_000
"""Longer bodies go the long way: no text in a shorter one is longer than its model allows."""

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_DATE: Final = (
    "2[0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
"""Each day of a calendar; a 29 February goes the long way."""
_INSTANT: Final = f"{_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.(?!000000)[0-9]{{6}})?Z"
_LIST_MAX: Final = 100
_ANY_GROUP: Final = re.compile(r"\((?!\?)")
"""A group in a model's own pattern: only whole fields are taken out."""


class _Unspelt(Exception):
    """A field of a kind that is not read in one look."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How a model's JSON is spelt; no pattern where it is always read the long way."""

    paths: tuple[str, ...]
    pattern: re.Pattern[str] | None


def spelt(model: type[Event], data: bytes) -> Words | None:
    """What a body says that is written as we write it; None of any other, good or bad."""
    pattern = _spelling(model).pattern
    if pattern is None or len(data) > BYTES_MAX:
        return None
    try:
        found = pattern.fullmatch(data.decode("ascii"))
    except UnicodeDecodeError:
        return None
    return None if found is None else found.groups()


def words_in(event: Event) -> Words:
    """The same of an event that was read the long way; its private part is sealed."""
    values = json.loads(encode(event))
    return tuple(_word(_at(values, path)) for path in paths_of(type(event)))


def paths_of(model: type[Event]) -> tuple[str, ...]:
    """Which word stands where: `executor`, `due.at`."""
    return _spelling(model).paths


def picking(model: type[Event], *paths: str) -> Callable[[Words], Words]:
    """What gives some words out of all of a model's.

    Raises:
        ValueError: the model has no such word.
    """
    known = paths_of(model)
    places = [known.index(path) for path in paths]
    if len(places) > 1:
        return cast("Callable[[Words], Words]", itemgetter(*places))
    return lambda words: tuple(words[place] for place in places)


@cache
def _spelling(model: type[Event]) -> _Spelling:
    paths = tuple(_leaves(model))
    try:
        pattern = re.compile(_object(model))
    except _Unspelt:
        return _Spelling(paths, None)
    return _Spelling(paths, pattern if pattern.groups == len(paths) else None)


def _leaves(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = _without_none(field.annotation)
        if _is_model(inner):
            yield from _leaves(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _object(model: type[BaseModel], *, grouped: bool = True) -> str:
    members: list[str] = []
    for name, field in model.model_fields.items():
        comma = "," if members else ""
        member = f'{comma}"{name}":{_value(field, grouped=grouped)}'
        if not field.is_required():
            if not comma or field.default is not None:
                raise _Unspelt
            member = f"(?:{member})?"
        members.append(member)
    return r"\{" + "".join(members) + r"\}"


def _value(field: FieldInfo, *, grouped: bool) -> str:
    kind = _without_none(field.annotation)
    if _is_model(kind):
        return _object(kind, grouped=grouped)
    if typing.get_origin(kind) is tuple:
        return _opened(_list(kind, field.metadata), grouped=grouped)
    return f'"{_opened(_text(kind, field.metadata), grouped=grouped)}"'


def _list(kind: object, limits: Sequence[object]) -> str:
    inner, _ = typing.get_args(kind)
    item = _object(inner, grouped=False) if _is_model(inner) else f'"(?:{_text(inner, ())})"'
    most = next((limit.max_length for limit in limits if isinstance(limit, MaxLen)), _LIST_MAX)
    least = next((limit.min_length for limit in limits if isinstance(limit, MinLen)), 0)
    if least > 1:
        raise _Unspelt
    items = f"{item}(?:,{item}){{0,{most - 1}}}"
    return rf"\[{items}\]" if least else rf"\[(?:{items})?\]"


def _text(kind: object, metadata: Sequence[object]) -> str:
    """How the text of a scalar is spelt between its quotes."""
    if typing.get_origin(kind) is typing.Annotated:
        kind, *more = typing.get_args(kind)
        return _text(kind, (*more, *metadata))
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        # Of a private part only its sealed form is ever spelt.
        [kind] = [part for part in typing.get_args(kind) if not _is_private(part)]
        return _text(kind, metadata)
    if typing.get_origin(kind) is Literal:
        return _one_of(typing.get_args(kind))
    kind = getattr(kind, "__supertype__", kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of(list(kind))
    known: dict[object, str] = {
        UUID: _UUID, date: _DATE, datetime: _INSTANT, AwareDatetime: _INSTANT
    }  # fmt: skip
    if kind in known:
        return known[kind]
    if kind is not str:
        raise _Unspelt
    return _constrained(metadata)


def _constrained(metadata: Sequence[object]) -> str:
    """Of a text: by its pattern, and by its length where a body read here can be longer."""
    patterns = {found for each in metadata if isinstance(found := _of(each, "pattern"), str)}
    lengths = [found for each in metadata if isinstance(found := _of(each, "max_length"), int)]
    if len(patterns) != 1:
        raise _Unspelt
    [pattern] = patterns
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise _Unspelt
    spelling = f"(?:{_ANY_GROUP.sub('(?:', pattern[1:-1])})"
    short = [length for length in lengths if length < BYTES_MAX]
    return f'(?=[^"]{{0,{min(short)}}}")' + spelling if short else spelling


def _of(constraint: object, name: str) -> object:
    found: object = getattr(constraint, name, None)
    return found


def _one_of(values: Sequence[Any]) -> str:
    return "|".join(re.escape(str(value)) for value in values)


def _opened(pattern: str, *, grouped: bool) -> str:
    return f"({pattern})" if grouped else f"(?:{pattern})"


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - whatever a field may be declared as
    """What a field holds when it is there."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        if len(parts) == 1:
            return parts[0]
    return annotation


def _is_model(kind: object) -> typing.TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_private(kind: object) -> bool:
    return kind is type(None) or (isinstance(kind, type) and issubclass(kind, Private))


def _at(values: Any, path: str) -> object:  # noqa: ANN401 - JSON
    for name in path.split("."):
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return cast("object", values)


def _word(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
