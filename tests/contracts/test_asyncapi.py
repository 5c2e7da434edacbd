"""The AsyncAPI document and the JSON Schemas of the events: valid, whole, and true of the log."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from deploy.contracts.asyncapi import entry_of
from deploy.contracts.events import schema_of
from shared.events.attributes import NEEDED, OPTIONAL
from shared.events.catalogue import BY_TYPE, ENTRIES, Entry
from shared.events.envelope import to_headers
from shared.events.event import ERASED
from shared.events.upcasts import UPCASTS
from shared.messaging.topics import TOPICS
from tests.contracts.test_envelope import FULL

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[1] / "docs" / "contracts"
OFFICIAL = HERE / "asyncapi-3.0.0" / "schema.json"
EVERY_VERSION = sorted({*BY_TYPE, *UPCASTS})


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def document() -> dict[str, Any]:
    return read(PUBLISHED / "asyncapi.json")


def at(reference: dict[str, str]) -> dict[str, Any]:
    """What a reference of the document leads to."""
    found: Any = document()
    for step in reference["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def schema(type_: str) -> dict[str, Any]:
    return read(PUBLISHED / "events" / f"{type_}.json")


def sample(type_: str) -> dict[str, Any]:
    return read(HERE / "samples" / f"{type_}.json")


def test_the_document_is_valid_by_the_official_schema() -> None:
    faults = Draft7Validator(read(OFFICIAL)).iter_errors(document())
    assert [f"{list(fault.path)}: {fault.message[:200]}" for fault in faults] == []


def test_the_official_schema_finds_a_fault() -> None:
    broken = document()
    del broken["info"]["title"]
    broken["channels"]["case-events"]["listens"] = True
    assert len(list(Draft7Validator(read(OFFICIAL)).iter_errors(broken))) >= 2


def test_there_is_a_channel_for_each_topic_and_a_message_for_each_version() -> None:
    channels = document()["channels"]
    assert {topic.name: topic.partitions for topic in TOPICS} == {
        name: channel["bindings"]["kafka"]["partitions"] for name, channel in channels.items()
    }
    told = [
        (name, at(message)["name"])
        for name, channel in channels.items()
        for message in channel["messages"].values()
    ]
    topic_of = {False: "case-events", True: "department-events"}
    assert sorted(told) == sorted(
        (topic_of[entry_of(type_).department], type_) for type_ in EVERY_VERSION
    )


def test_each_source_is_said_to_tell_what_it_owns() -> None:
    told: dict[str, set[str]] = {}
    for name, operation in document()["operations"].items():
        owner = name.partition("-tells-")[0]
        for reference in operation["messages"]:
            told.setdefault(owner, set()).add(at(at(reference))["name"])
    expected: dict[str, set[str]] = {}
    for type_ in EVERY_VERSION:
        expected.setdefault(entry_of(type_).owner.value, set()).add(type_)
    assert told == expected


def test_the_headers_are_those_of_an_envelope() -> None:
    headers = document()["components"]["messageTraits"]["envelope"]["headers"]
    assert set(headers["properties"]) == {
        "content-type",
        *(f"ce_{name}" for name in (*NEEDED, *OPTIONAL)),
    }
    full = {name: value.decode() for name, value in to_headers(FULL.attributes())}
    Draft202012Validator(headers).validate(full)
    for name in headers["required"]:
        short = {key: value for key, value in full.items() if key != name}
        assert not Draft202012Validator(headers).is_valid(short), name
    for name in full:
        assert not Draft202012Validator(headers).is_valid({**full, name: "Nurlan Canary"}), name


def test_every_version_of_every_event_has_its_schema() -> None:
    files = {file.name.removesuffix(".json") for file in (PUBLISHED / "events").iterdir()}
    assert sorted(files) == EVERY_VERSION
    for type_ in EVERY_VERSION:
        Draft202012Validator.check_schema(schema(type_))
        assert schema(type_)["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("type_", EVERY_VERSION)
def test_the_sample_is_an_example_and_fits_the_schema(type_: str) -> None:
    message = document()["components"]["messages"][type_.removeprefix("qyzmet.")]
    assert message["examples"] == [{"name": "sample", "payload": sample(type_)}]
    checks = Draft202012Validator.FORMAT_CHECKER
    for found in (schema(type_), message["payload"]):
        Draft202012Validator(found, format_checker=checks).validate(sample(type_))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_the_schema_lets_nothing_clear_or_undeclared_through(entry: Entry) -> None:
    validator = Draft202012Validator(schema_of(entry))
    good = sample(entry.type)
    assert not validator.is_valid({**good, "note": "Nurlan Canary"})
    for name in schema_of(entry)["required"]:
        assert not validator.is_valid({key: good[key] for key in good if key != name}), name
    if "private" in good:
        assert validator.is_valid({**good, "private": ERASED})
        assert not validator.is_valid({**good, "private": {"text": "Nurlan Canary"}})
        assert schema_of(entry)["properties"]["private"]["x-sealed"]["properties"]


def test_an_instant_is_named_as_one() -> None:
    found = schema("qyzmet.intake.application-registered.v1")["properties"]
    assert found["registered_at"] == {"format": "date-time", "type": "string"}
    told = sample("qyzmet.intake.application-registered.v1")["registered_at"]
    assert datetime.fromisoformat(told).tzinfo is not None
