"""Which fields of a request are wrong, without a word of what stood in them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from shared.http.json_text import BadJson

_ERRORS_MAX: Final = 100
_UNDECLARED: Final = "*"
"""Stands for a name that the API does not declare: the request made it up, or a person did."""

_QUIET_MESSAGES: Final = frozenset(
    {
        "bool_parsing",
        "bool_type",
        "bytes_too_long",
        "date_from_datetime_parsing",
        "date_parsing",
        "date_type",
        "datetime_from_date_parsing",
        "datetime_parsing",
        "datetime_type",
        "dict_type",
        "enum",
        "extra_forbidden",
        "float_parsing",
        "float_type",
        "greater_than",
        "greater_than_equal",
        "int_from_float",
        "int_parsing",
        "int_type",
        "less_than",
        "less_than_equal",
        "list_type",
        "literal_error",
        "missing",
        "model_attributes_type",
        "model_type",
        "set_type",
        "string_pattern_mismatch",
        "string_too_long",
        "string_too_short",
        "string_type",
        "timezone_aware",
        "timezone_naive",
        "too_long",
        "too_short",
        "tuple_type",
        "uuid_type",
    }
)
"""The kinds of error whose message speaks of the rule alone; others may quote the value."""


def invalid_fields(app: FastAPI, error: RequestValidationError) -> list[dict[str, str]]:
    """Each wrong field: where it is (`body.documents.0.kind`), which rule, and what it says."""
    declared = _declared_names(app)
    return [
        {
            "field": shown_place(item["loc"], declared),
            "rule": str(item["type"]),
            "message": str(item["msg"]) if item["type"] in _QUIET_MESSAGES else "is not valid",
        }
        for item in error.errors()[:_ERRORS_MAX]
    ]


def invalid_json(app: FastAPI, bad: BadJson) -> dict[str, str]:
    """The same of a body that is no sound JSON."""
    place = shown_place(("body", *bad.place), _declared_names(app))
    return {"field": place, "rule": bad.rule, "message": bad.message}


def shown_place(place: Iterable[object], declared: frozenset[str]) -> str:
    """Where in a request something is: declared names and numbers, `*` for any other name."""
    return ".".join(_shown(part, declared) for part in place)


def names_of(schema: object) -> frozenset[str]:
    """The names that a JSON schema, or a whole OpenAPI document, declares."""
    return frozenset(_names(schema))


def _shown(part: object, declared: frozenset[str]) -> str:
    if isinstance(part, int):
        return str(part)
    return part if isinstance(part, str) and part in declared else _UNDECLARED


def _declared_names(app: FastAPI) -> frozenset[str]:
    """Every name in the application's OpenAPI document, which FastAPI keeps once it is made."""
    found: frozenset[str] | None = getattr(app.state, "declared_names", None)
    if found is None:
        places = {"body", "query", "path", "header", "cookie"}
        found = names_of(app.openapi()).union(places)
        app.state.declared_names = found
    return found


def _names(part: object) -> Iterator[str]:
    """The properties of all schemas and the names of all parameters."""
    if isinstance(part, Mapping):
        properties = part.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        name = part.get("name")
        if "in" in part and isinstance(name, str):
            yield from (name, name.lower())
        for each in part.values():
            yield from _names(each)
    elif isinstance(part, list):
        for each in part:
            yield from _names(each)
