"""The AsyncAPI 3 document of the log, from the catalogue: who tells what, on which topic, how."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.contracts.events import Schema
from shared.events.attributes import NEEDED, OPTIONAL
from shared.events.catalogue import BY_TYPE, Entry
from shared.events.upcasts import UPCASTS, newest
from shared.identifiers import Source
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS, SETTINGS, partitions_of

Document = dict[str, Any]

_UUID: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_MEANS: Final[Mapping[str, str]] = {
    "actor": "Who did it: staff:<id>, rule:<name>, applicant:<reference> or operator:<id>",
    "causationid": "The event that this one answers",
    "correlationid": "The case, once more",
    "id": "The event, a UUIDv7; with the source it identifies the event",
    "idempotencykey": "SHA-256 of (actor, route, key), a colon, SHA-256 of the request",
    "office": "The office whose case it is",
    "prevhash": "SHA-256 of the event before, of this source in this case; zeros for the first",
    "procedure": "<procedure>@<edition>#<SHA-256 of the file>, or `department`",
    "sequence": "The place in the order of this source in this case, from 1 without a gap",
    "source": "The service that told it",
    "specversion": "Of CloudEvents",
    "subject": "The case; also the record's key",
    "synthetic": "true: nobody's case",
    "time": "When it was recorded; times with legal effect are data",
    "traceparent": "W3C trace context",
    "turn": "How many hand-offs came before; whoever holds the turn may decide",
    "type": "The event and its version: the contract",
}
_SAYS: Final[Mapping[str, str]] = {
    CASE_EVENTS: "Every fact of every case. Keyed by case: in order for each case, for ever.",
    DEPARTMENT_EVENTS: "Facts of no case: staff, absences, who acts for the head.",
}
_INFO: Final = """\
Everything that ever happened, as CloudEvents 1.0 in the binary content mode of the Kafka protocol
binding. Duplicates are legal: of records with the same source, subject and sequence the first
counts; another id in the same place is a contradiction, and the case is set aside. An unknown type
is never skipped. A record that cannot be read sets its case aside, not the stream."""


def document(version: str, schemas: Mapping[str, Schema], samples: Path) -> Document:
    """The whole document; `schemas` by type string, `samples` holds an example of each."""
    names = {type_: _name(type_) for type_ in schemas}
    by_topic = {topic: [t for t in schemas if _topic(t) == topic] for topic in _SAYS}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Qyzmet: the log", "version": version, "description": _INFO},
        "defaultContentType": "application/json",
        "channels": {
            topic: _channel(topic, [names[each] for each in types])
            for topic, types in by_topic.items()
        },
        "operations": dict(_operations(by_topic, names)),
        "components": {
            "messages": {
                names[type_]: _message(type_, schema, samples) for type_, schema in schemas.items()
            },
            "messageTraits": {"envelope": {"headers": _headers()}},
        },
    }


def entry_of(type_: str) -> Entry:
    """The line of the catalogue under which a version is read today."""
    return BY_TYPE[newest(type_)]


def _name(type_: str) -> str:
    """A type string as a key of the document: without the product's name."""
    return type_.removeprefix("qyzmet.")


def _topic(type_: str) -> str:
    return DEPARTMENT_EVENTS if entry_of(type_).department else CASE_EVENTS


def _channel(topic: str, names: list[str]) -> Document:
    return {
        "address": topic,
        "title": topic,
        "description": _SAYS[topic],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": len(partitions_of(topic)),
                "topicConfiguration": {
                    "cleanup.policy": [SETTINGS["cleanup.policy"]],
                    "retention.ms": int(SETTINGS["retention.ms"]),
                    "retention.bytes": int(SETTINGS["retention.bytes"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(
    by_topic: Mapping[str, list[str]], names: Mapping[str, str]
) -> Iterator[tuple[str, Document]]:
    """Who sends which messages. Everybody reads all of both topics, which needs no operation."""
    for source in Source:
        for topic, types in by_topic.items():
            own = [names[each] for each in types if entry_of(each).owner is source]
            if own:
                yield (
                    f"{source.value}-tells-{topic}",
                    {
                        "action": "send",
                        "channel": {"$ref": f"#/channels/{topic}"},
                        "summary": f"What {source.value} tells",
                        "messages": [
                            {"$ref": f"#/channels/{topic}/messages/{name}"} for name in own
                        ],
                    },
                )


def _message(type_: str, schema: Schema, samples: Path) -> Document:
    entry = entry_of(type_)
    payload = {name: part for name, part in schema.items() if name not in {"$schema", "$id"}}
    sample = json.loads((samples / f"{type_}.json").read_text(encoding="utf-8"))
    found: Document = {
        "name": type_,
        "title": entry.model.__name__,
        "summary": schema.get("description", ""),
        "contentType": "application/json",
        "payload": payload,
        "traits": [{"$ref": "#/components/messageTraits/envelope"}],
        "bindings": {
            "kafka": {
                "key": {"type": "string", "pattern": _UUID, "description": "The case"},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"name": "sample", "payload": sample}],
        "x-owner": entry.owner.value,
        "x-kind": entry.kind.value,
    }
    if entry.hands_to is not None:
        found["x-hands-to"] = entry.hands_to.value
    if entry.ends is not None:
        found["x-ends"] = entry.ends
    if type_ in UPCASTS:
        found["x-read-as"] = entry.type
    return found


def _headers() -> Document:
    """The envelope: each attribute of CloudEvents is a header `ce_<name>`."""
    spelt = {**NEEDED, **OPTIONAL}
    return {
        "type": "object",
        "required": ["content-type", *(f"ce_{name}" for name in sorted(NEEDED))],
        "properties": {
            "content-type": {"type": "string", "const": "application/json"},
            **{
                f"ce_{name}": {
                    "type": "string",
                    "pattern": f"^({spelt[name]})$",
                    "description": _MEANS[name],
                }
                for name in sorted(spelt)
            },
        },
    }
