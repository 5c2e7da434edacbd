"""What may change of a released contract and what may not; and that nothing here has."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from deploy.contracts.compatibility import broken_events, broken_routes, unopenable
from deploy.contracts.reading import of, unreadable
from shared.events.catalogue import BY_TYPE
from shared.events.upcasts import UPCASTS, newest

HERE = Path(__file__).parent
RELEASED = HERE / "released"
PUBLISHED = HERE.parents[1] / "docs" / "contracts"
Json = dict[str, Any]


def documents(folder: Path) -> dict[str, Json]:
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
    }


# ---- the released contracts ---------------------------------------------------------------------


def test_every_version_of_an_event_is_frozen_and_means_what_it_meant() -> None:
    released, now = documents(RELEASED / "events"), documents(PUBLISHED / "events")
    assert set(released) == {*BY_TYPE, *UPCASTS}, "run: make contracts"
    assert broken_events(released, now) == [], "a new shape is a new version"


def test_a_client_of_the_released_routes_is_served_as_before() -> None:
    released, now = documents(RELEASED / "openapi"), documents(PUBLISHED / "openapi")
    assert set(released) == {"casebook", "executor", "intake", "notify", "routing", "signing"}
    assert broken_routes(released, now) == []


# ---- one schema against another -----------------------------------------------------------------

TEXT: Json = {"type": "string"}
CODE: Json = {"type": "string", "pattern": "^[a-z]+$", "maxLength": 9}
MAYBE: Json = {"anyOf": [CODE, {"type": "null"}], "default": None}
KIND: Json = {"enum": ["sms", "email"], "type": "string"}
CLOSED: Json = {
    "type": "object",
    "properties": {"code": CODE, "note": MAYBE},
    "required": ["code"],
    "additionalProperties": False,
}


def closed(**change: Any) -> Json:
    return {**deepcopy(CLOSED), **change}


SAME_OR_WIDER: dict[str, tuple[Json, Json]] = {
    "the same": (CLOSED, CLOSED),
    "other words": (CODE, {**CODE, "title": "Code", "description": "another"}),
    "a default": ({**TEXT, "default": "a"}, TEXT),
    "longer": (CODE, {**CODE, "maxLength": 10}),
    "any text": (CODE, TEXT),
    "anything": (CODE, {}),
    "also null": (CODE, MAYBE),
    "one more value": (KIND, {**KIND, "enum": ["sms", "email", "letter"]}),
    "not only values": (KIND, TEXT),
    "one value of several": ({"const": "sms"}, KIND),
    "whole numbers are numbers": ({"type": "integer"}, {"type": "number"}),
    "a smaller least": ({"type": "integer", "minimum": 2}, {"type": "integer", "minimum": 1}),
    "needed no more": (CLOSED, closed(required=[])),
    "a field more": (CLOSED, closed(properties={**CLOSED["properties"], "more": TEXT})),
    "open now": (CLOSED, closed(additionalProperties=True)),
    "a list of more": (
        {"type": "array", "items": CODE, "maxItems": 2},
        {"type": "array", "items": TEXT, "maxItems": 3},
    ),
    "through a reference": (
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": CODE}},
        {"$ref": "#/$defs/Code", "$defs": {"Code": TEXT}},
    ),
}
NARROWER: dict[str, tuple[Json, Json, str]] = {
    "another type": (TEXT, {"type": "integer"}, "it: string is not taken"),
    "no null": (MAYBE, CODE, "it: null is not taken"),
    "a choice less": ({"anyOf": [TEXT, {"type": "integer"}]}, MAYBE, "pattern|integer"),
    "a value less": (KIND, {**KIND, "enum": ["sms"]}, "it: 'email' is not taken"),
    "only values": (TEXT, KIND, "only certain values"),
    "a pattern": (TEXT, CODE, "another pattern"),
    "another pattern": (CODE, {**CODE, "pattern": "^[a-y]+$"}, "another pattern"),
    "a format": (TEXT, {**TEXT, "format": "uuid"}, "another format"),
    "shorter": (CODE, {**CODE, "maxLength": 8}, "maxLength 8"),
    "a length": (TEXT, {**TEXT, "minLength": 1}, "minLength 1"),
    "a higher least": ({"type": "integer"}, {"type": "integer", "minimum": 0}, "minimum 0"),
    "numbers are not whole": ({"type": "number"}, {"type": "integer"}, "number is not taken"),
    "needed now": (CLOSED, closed(required=["code", "note"]), r"\.note: may be absent"),
    "a field less": (CLOSED, closed(properties={"code": CODE}), r"\.note: is a field that is not"),
    "a field renamed": (
        CLOSED,
        closed(properties={"kode": CODE, "note": MAYBE}, required=["kode"]),
        r"\.kode: may be absent",
    ),
    "a field narrowed": (
        CLOSED,
        closed(properties={**CLOSED["properties"], "code": {**CODE, "maxLength": 3}}),
        r"\.code: maxLength 3",
    ),
    "closed now": (closed(additionalProperties=True), CLOSED, r"\.\*: nothing is taken"),
    "a shorter list": (
        {"type": "array", "items": CODE},
        {"type": "array", "items": CODE, "maxItems": 3},
        "maxItems 3",
    ),
    "a list of less": (
        {"type": "array", "items": TEXT},
        {"type": "array", "items": CODE},
        r"\[\]: another pattern",
    ),
    "through a reference": (
        {"$ref": "#/$defs/A", "$defs": {"A": TEXT}},
        {"$ref": "#/$defs/A", "$defs": {"A": CODE}},
        "another pattern",
    ),
    "what is sealed": (
        {**TEXT, "x-sealed": closed(required=[])},
        {**TEXT, "x-sealed": CLOSED},
        r"\(sealed\)\.code: may be absent",
    ),
    "a keyword that nobody here knows": (TEXT, {**TEXT, "contains": "x"}, "not understood"),
}


@pytest.mark.parametrize("name", SAME_OR_WIDER)
def test_who_reads_by_the_wider_schema_reads_all(name: str) -> None:
    writer, reader = SAME_OR_WIDER[name]
    assert unreadable(of(writer), of(reader)) == []


@pytest.mark.parametrize("name", NARROWER)
def test_who_reads_by_the_narrower_schema_does_not(name: str) -> None:
    writer, reader, fault = NARROWER[name]
    found = unreadable(of(writer), of(reader))
    assert found
    assert any(re.search(fault, each) for each in found), found


def test_new_values_are_left_alone_where_readers_were_told_to_expect_them() -> None:
    more = {**KIND, "enum": ["sms", "email", "letter"]}
    assert unreadable(of(more), of(KIND)) == ["it: 'letter' is not taken"]
    assert unreadable(of(more), of(KIND), new_values=True) == []
    assert unreadable(of(TEXT), of(KIND), new_values=True) == ["it: only certain values are taken"]


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    tree = {"$ref": "#/$defs/T", "$defs": {"T": {"type": "array", "items": {"$ref": "#/$defs/T"}}}}
    assert unreadable(of(tree), of(tree)) == [
        f"it{'[]' * 60}: nested too deeply to compare",
    ]


# ---- events -------------------------------------------------------------------------------------

LODGED = "qyzmet.intake.application-lodged.v1"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda e: e["properties"].pop("channel"), "older build wrote"),
        (lambda e: e["properties"].update(more=TEXT), "older build cannot read"),
        (lambda e: e["required"].append("notice"), "older build wrote"),
        (lambda e: e["required"].remove("channel"), "older build cannot read"),
        (lambda e: e["properties"]["channel"]["enum"].pop(), "older build wrote"),
        (lambda e: e["properties"]["channel"]["enum"].append("post"), "older build cannot read"),
        (lambda e: e["properties"]["office"].update(pattern="^[a-z]$"), "another pattern"),
        (lambda e: e["properties"]["documents"].update(maxItems=9), "older build wrote"),
        (lambda e: e["properties"]["due"]["required"].remove("rule"), r"\.due\.rule"),
        (
            lambda e: e["properties"]["private"]["x-sealed"]["properties"].pop("phone"),
            r"private\(sealed\)\.phone",
        ),
    ],
)
def test_a_changed_event_is_refused(change: Any, fault: str) -> None:
    released = documents(RELEASED / "events")
    now = deepcopy(released)
    change(now[LODGED])
    found = broken_events(released, now)
    assert found
    assert all(each.startswith(f"{LODGED}: ") for each in found)
    assert any(re.search(fault, each) for each in found), found


def test_what_old_versions_sealed_opens_as_the_newest() -> None:
    now = documents(PUBLISHED / "events")
    assert unopenable(now, {type_: newest(type_) for type_ in UPCASTS}) == []


def test_a_sealed_part_that_no_longer_opens_is_found() -> None:
    now = documents(PUBLISHED / "events")
    second = LODGED.replace(".v1", ".v2")
    now[second] = deepcopy(now[LODGED])
    assert unopenable(now, {LODGED: second}) == []
    now[second]["properties"]["private"]["x-sealed"]["required"].append("phone")
    (found,) = unopenable(now, {LODGED: second})
    assert found.startswith(f"{LODGED}: what was sealed does not open as {second}: it.phone: ")
    del now[second]["properties"]["private"]
    assert len(unopenable(now, {LODGED: second})) == 1


def test_an_event_may_be_described_anew_and_others_may_come() -> None:
    released = documents(RELEASED / "events")
    now = deepcopy(released)
    now[LODGED]["description"] = "In other words"
    now["qyzmet.intake.application-lodged.v2"] = {"type": "object"}
    assert broken_events(released, now) == []
    del now[LODGED]
    assert broken_events(released, now) == [f"{LODGED}: is gone"]


# ---- routes -------------------------------------------------------------------------------------

DRAFT = ("/cases/{case_id}/draft", "put")
CASE = ("/cases/{case_id}", "get")


def operation(document: Json, at: tuple[str, str]) -> Json:
    found: Json = document["paths"][at[0]][at[1]]
    return found


def model(document: Json, name: str) -> Json:
    found: Json = document["components"]["schemas"][name]
    return found


def parameter(document: Json, at: tuple[str, str], name: str) -> Json:
    return next(each for each in operation(document, at)["parameters"] if each["name"] == name)


REFUSED: dict[str, tuple[str, Any, str]] = {
    "a path": ("executor", lambda d: d["paths"].pop(DRAFT[0]), "PUT .*draft: is gone"),
    "a method": ("executor", lambda d: d["paths"][DRAFT[0]].pop("put"), "PUT .*draft: is gone"),
    "a parameter": (
        "casebook",
        lambda d: operation(d, CASE)["parameters"].remove(parameter(d, CASE, "min_position")),
        "parameter min_position: is gone",
    ),
    "a parameter needed": (
        "casebook",
        lambda d: parameter(d, CASE, "min_position").update(required=True),
        "parameter min_position: is needed now",
    ),
    "a new needed parameter": (
        "casebook",
        lambda d: operation(d, CASE)["parameters"].append(
            {"in": "query", "name": "why", "required": True, "schema": TEXT}
        ),
        "parameter why: is needed now",
    ),
    "a narrower parameter": (
        "executor",
        lambda d: parameter(d, DRAFT, "case_id")["schema"].update(maxLength=9),
        "parameter case_id: maxLength 9",
    ),
    "a field of a body": (
        "executor",
        lambda d: model(d, "Draft")["properties"].pop("ground"),
        r"body\.ground: is a field that is not known",
    ),
    "a new needed field": (
        "executor",
        lambda d: model(d, "Draft")["required"].append("ground"),
        r"body\.ground: may be absent",
    ),
    "a value less": (
        "executor",
        lambda d: model(d, "Draft")["properties"]["outcome"]["enum"].pop(),
        r"body\.outcome: 'refused' is not taken",
    ),
    "another kind of body": (
        "executor",
        lambda d: operation(d, DRAFT)["requestBody"]["content"].pop("application/json"),
        "body: application/json is not taken any more",
    ),
    "a status": (
        "executor",
        lambda d: operation(d, DRAFT)["responses"].pop("202"),
        "answer 202: is gone",
    ),
    "a problem": (
        "executor",
        lambda d: operation(d, DRAFT)["responses"].pop("409"),
        "answer 409: is gone",
    ),
    "a new success": (
        "executor",
        lambda d: operation(d, DRAFT)["responses"].update({"204": {}}),
        "answer 204: was not released",
    ),
    "a field of an answer": (
        "casebook",
        lambda d: model(d, "Status")["properties"].pop("office"),
        r"answer 200\.case\.office",
    ),
    "a field that may be absent": (
        "casebook",
        lambda d: model(d, "Status")["required"].remove("office"),
        r"answer 200\.case\.office: may be absent",
    ),
    "a field that may be null": (
        "casebook",
        lambda d: model(d, "Status")["properties"].update(office=MAYBE),
        r"answer 200\.case\.office: null is not taken",
    ),
    "another type in an answer": (
        "casebook",
        lambda d: model(d, "Status")["properties"]["turn"].update(type="string"),
        r"answer 200\.case\.turn: string is not taken",
    ),
    "a header": (
        "casebook",
        lambda d: operation(d, CASE)["responses"]["503"].pop("headers"),
        "answer 503: header Retry-After may be absent",
    ),
    "security": ("casebook", lambda d: operation(d, CASE).pop("security"), "in another way"),
}
ALLOWED: dict[str, tuple[str, Any]] = {
    "a new route": ("executor", lambda d: d["paths"].update({"/new": {"get": {"responses": {}}}})),
    "a new parameter that may be absent": (
        "casebook",
        lambda d: operation(d, CASE)["parameters"].append(
            {"in": "query", "name": "why", "required": False, "schema": TEXT}
        ),
    ),
    "a new field that may be absent": (
        "executor",
        lambda d: model(d, "Draft")["properties"].update(more=MAYBE),
    ),
    "a field needed no more": (
        "executor",
        lambda d: model(d, "Draft")["required"].remove("outcome"),
    ),
    "a wider field": (
        "executor",
        lambda d: model(d, "Draft")["properties"]["outcome"]["enum"].append("partly"),
    ),
    "a new field of an answer": (
        "casebook",
        lambda d: model(d, "Status")["properties"].update(more=TEXT),
    ),
    "a new value in an answer": (
        "casebook",
        lambda d: model(d, "Status")["properties"]["state"]["enum"].append("paused"),
    ),
    "a new problem": (
        "casebook",
        lambda d: operation(d, CASE)["responses"].update({"410": {"description": "Gone"}}),
    ),
    "other words": (
        "casebook",
        lambda d: operation(d, CASE).update(description="In other words", summary="Anew"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_break_a_client_is_refused(name: str) -> None:
    service, change, fault = REFUSED[name]
    released = documents(RELEASED / "openapi")
    now = deepcopy(released)
    change(now[service])
    found = broken_routes(released, now)
    assert found
    assert all(each.startswith(f"{service}: ") for each in found)
    assert any(re.search(fault, each) for each in found), found


@pytest.mark.parametrize("name", ALLOWED)
def test_what_no_client_notices_is_allowed(name: str) -> None:
    service, change = ALLOWED[name]
    released = documents(RELEASED / "openapi")
    now = deepcopy(released)
    change(now[service])
    assert now != released
    assert broken_routes(released, now) == []


def test_a_service_that_is_gone_is_refused_and_a_new_one_is_not() -> None:
    released = documents(RELEASED / "openapi")
    assert broken_routes(released, {**released, "desk": released["notify"]}) == []
    assert broken_routes(released, {}) == [f"{service}: is gone" for service in released]
