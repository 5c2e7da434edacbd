"""JSON Schemas (2020-12) of every version of every event, as its record carries it.

The newest version of an event comes from its model, an older one from where it was frozen: its
model is gone. What is sealed stands beside the sealed block, under `x-sealed`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shared.events.catalogue import ENTRIES, Entry
from shared.events.event import Private
from shared.events.upcasts import UPCASTS
from shared.privacy.sealing import private_model

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def schemas(frozen: Path) -> dict[str, Schema]:
    """The schema of every version, by type string; `frozen` holds those of old versions."""
    found = {entry.type: schema_of(entry) for entry in ENTRIES}
    for type_ in UPCASTS:
        found[type_] = json.loads((frozen / f"{type_}.json").read_text(encoding="utf-8"))
    return dict(sorted(found.items()))


def schema_of(entry: Entry) -> Schema:
    """The newest version of an event. No references inside: any tool reads it, and any document
    can take it in."""
    plain = entry.model.model_json_schema(mode="validation")
    private = private_model(entry.model)
    if private is not None:
        _seal(plain, private)
    definitions = plain.pop("$defs", {})
    inlined = _inlined(plain, definitions)
    assert isinstance(inlined, dict)
    inlined.pop("title", None)
    return {"$schema": DIALECT, "$id": f"urn:{entry.type}", "title": entry.type, **inlined}


def _seal(schema: Schema, private: type[Private]) -> None:
    """In a record `private` is never clear: only the sealed block is a choice."""
    field = schema["properties"]["private"]
    inside = {"$ref": f"#/$defs/{private.__name__}"}
    field["anyOf"] = [choice for choice in field["anyOf"] if choice != inside]
    field["x-sealed"] = inside


def _inlined(part: object, definitions: Mapping[str, Any]) -> object:
    """A schema with what it refers to in place of the references; titles say nothing new."""
    if isinstance(part, list):
        return [_inlined(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found = definitions[part["$ref"].rpartition("/")[2]]
        part = {**found, **{name: each for name, each in part.items() if name != "$ref"}}
    return {
        name: {key: _inlined(each, definitions) for key, each in value.items()}
        if name == "properties"
        else _inlined(value, definitions)
        for name, value in part.items()
        if name != "title"
    }
