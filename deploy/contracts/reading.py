"""Whether who reads by one JSON schema can read all that is written by another.

The heart of every comparison. It knows the keywords that pydantic and our own documents write;
any other keyword that differs is reported, so that what is not understood is never waved through.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "title", "description", "examples", "default", "deprecated"}
)
_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_CHOICES: Final = ("anyOf", "oneOf")
_INNER: Final = ("items", "propertyNames")
_SEALED: Final = "x-sealed"
_UNDERSTOOD: Final = frozenset(
    {
        *_LEAST,
        *_MOST,
        *_CHOICES,
        *_INNER,
        _SEALED,
        "additionalProperties",
        "const",
        "enum",
        "format",
        "pattern",
        "properties",
        "required",
        "type",
    }
)
_TYPES: Final = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_DEPTH_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Side:
    """A schema, and the document in which its references are looked up."""

    schema: Schema | bool
    document: Schema

    def resolved(self) -> "Side":
        """Without a reference at its top."""
        schema = self.schema
        while isinstance(schema, Mapping) and "$ref" in schema:
            found: Any = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            schema = found
        return Side(schema, self.document)

    def part(self, schema: Schema | bool) -> "Side":
        """Another schema of the same document."""
        return Side(schema, self.document)


def of(schema: Schema) -> Side:
    """A schema that is a document of its own."""
    return Side(schema, schema)


def unreadable(
    writer: Side, reader: Side, at: str = "it", *, new_values: bool = False
) -> list[str]:
    """What the writer may say and the reader does not take, by place; empty: it takes all of it.

    `new_values`: the reader has been told to expect values of an enumeration it does not know.
    """
    return list(_Comparison(new_values).of(writer, reader, at, _DEPTH_MAX))


@dataclass(frozen=True, slots=True)
class _Comparison:
    new_values: bool

    def of(self, writer: Side, reader: Side, at: str, depth: int) -> Iterator[str]:
        """One place of the two schemas and all below it."""
        writer, reader = writer.resolved(), reader.resolved()
        said, taken = writer.schema, reader.schema
        if said is False or taken is True or taken == {}:
            return
        if depth == 0:
            yield f"{at}: nested too deeply to compare"
        elif not isinstance(taken, Mapping):
            yield f"{at}: nothing is taken"
        else:
            whole = said if isinstance(said, Mapping) else {}
            yield from self._whole(writer.part(whole), reader, at, depth - 1)

    def _whole(self, writer: Side, reader: Side, at: str, depth: int) -> Iterator[str]:
        said, taken = _mapping(writer), _mapping(reader)
        if _SEALED in said or _SEALED in taken:
            yield from self._inner(writer, reader, _SEALED, f"{at}(sealed)", depth)
        if any(keyword in schema for keyword in _CHOICES for schema in (said, taken)):
            yield from self._choices(writer, reader, at, depth)
            return
        yield from self._values(said, taken, at)
        yield from _limits(said, taken, at)
        if "object" in _types(said) & _types(taken):
            yield from self._fields(writer, reader, at, depth)
        for keyword in _INNER:
            if keyword in said or keyword in taken:
                yield from self._inner(writer, reader, keyword, f"{at}[]", depth)

    def _inner(
        self, writer: Side, reader: Side, keyword: str, at: str, depth: int
    ) -> Iterator[str]:
        said = _mapping(writer).get(keyword, True)
        taken = _mapping(reader).get(keyword, True)
        yield from self.of(writer.part(said), reader.part(taken), at, depth)

    def _choices(self, writer: Side, reader: Side, at: str, depth: int) -> Iterator[str]:
        """Each choice of the writer must be within one of the reader's."""
        theirs = _options(reader)
        for option in _options(writer):
            tries = [list(self.of(option, other, at, depth)) for other in theirs]
            if all(tries):
                yield from min(tries, key=len)
        if len(theirs) > 1 or theirs[0] != reader:
            said, taken = _mapping(writer), _mapping(reader)
            for keyword in sorted(taken.keys() - _ANNOTATIONS - {*_CHOICES, _SEALED}):
                if taken[keyword] != said.get(keyword):
                    yield f"{at}: {keyword} beside a choice is another"

    def _values(self, said: Schema, taken: Schema, at: str) -> Iterator[str]:
        if strange := _types(said) - _types(taken):
            yield f"{at}: {' or '.join(sorted(strange))} is not taken"
            return
        told, known = _listed(said), _listed(taken)
        if known is None:
            return
        if told is None:
            yield f"{at}: only certain values are taken"
        elif not self.new_values and (new := [value for value in told if value not in known]):
            yield f"{at}: {', '.join(map(repr, new))} is not taken"

    def _fields(self, writer: Side, reader: Side, at: str, depth: int) -> Iterator[str]:
        said, taken = _mapping(writer), _mapping(reader)
        ours, theirs = said.get("properties", {}), taken.get("properties", {})
        rest, other = (
            said.get("additionalProperties", True),
            taken.get("additionalProperties", True),
        )
        for name in sorted({*taken.get("required", ())} - {*said.get("required", ())}):
            yield f"{at}.{name}: may be absent, and is needed"
        for name in sorted({*ours, *theirs}):
            field, known = ours.get(name, rest), theirs.get(name, other)
            if field is not False and known is False:
                yield f"{at}.{name}: is a field that is not known"
            elif name in ours or rest is not True:
                yield from self.of(writer.part(field), reader.part(known), f"{at}.{name}", depth)
            else:
                yield f"{at}.{name}: is described on one side only"
        yield from self.of(writer.part(rest), reader.part(other), f"{at}.*", depth)


def _mapping(side: Side) -> Schema:
    assert isinstance(side.schema, Mapping)
    return side.schema


def _options(side: Side) -> list[Side]:
    schema = _mapping(side)
    for keyword in _CHOICES:
        if keyword in schema:
            return [side.part(each) for each in schema[keyword]]
    return [side]


def _limits(said: Schema, taken: Schema, at: str) -> Iterator[str]:
    for keyword in ("pattern", "format"):
        if keyword in taken and taken[keyword] != said.get(keyword):
            yield f"{at}: another {keyword} is taken"
    for keyword in _LEAST:
        if keyword in taken and taken[keyword] > said.get(keyword, float("-inf")):
            yield f"{at}: {keyword} {taken[keyword]} is asked for"
    for keyword in _MOST:
        if keyword in taken and taken[keyword] < said.get(keyword, float("inf")):
            yield f"{at}: {keyword} {taken[keyword]} is asked for"
    for keyword in sorted(taken.keys() - _UNDERSTOOD - _ANNOTATIONS):
        if taken[keyword] != said.get(keyword):
            yield f"{at}: {keyword} differs, and is not understood here"


def _types(schema: Schema) -> frozenset[str]:
    """The JSON types that a schema lets through; every integer is a number, too."""
    named = schema.get("type")
    if named is not None:
        found = frozenset({named} if isinstance(named, str) else named)
    elif (values := _listed(schema)) is not None:
        found = frozenset(_type_of(value) for value in values)
    else:
        return _TYPES
    return found | {"integer"} if "number" in found else found


def _type_of(value: object) -> str:
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(type(value), "array" if isinstance(value, list) else "object")


def _listed(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found
