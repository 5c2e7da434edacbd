"""The contract (D11, D12): names, owners and shapes of all events, frozen; nothing clear gets in.

A new event or version is a new line of `catalogue.golden` and a new file in `samples/`; neither a
line nor a file is ever changed.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.events.catalogue import BY_TYPE, ENTRIES, Entry, entry_of
from shared.events.codec import UnknownType, decode, encode
from shared.events.event import ERASED, Event, Kind, MalformedEvent, Private, Remark
from shared.events.intake import WithdrawalRequested
from shared.events.upcasts import UPCASTS
from shared.identifiers import Source
from shared.privacy.sealing import private_model

HERE = Path(__file__).parent
SAMPLES = {file.name.removesuffix(".json"): file for file in (HERE / "samples").iterdir()}
CANARY = "Nurlan Canary, 880101300017, пр. Абая 10"
SPINE = {
    "ApplicationRegistered",
    "ExecutorAssigned",
    "NotificationDrafted",
    "NotificationSigned",
    "ResultIssued",
}

Leaf = tuple[tuple[str | int, ...], Any]


def sample(type_: str) -> dict[str, Any]:
    """The stored sample of an event."""
    found: dict[str, Any] = json.loads(SAMPLES[type_].read_text("utf-8"))
    return found


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    """Every plain value in a JSON tree, with its path."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*path, place))
    else:
        yield path, value


def changed(tree: dict[str, Any], path: tuple[str | int, ...], value: Any) -> bytes:
    """The tree as JSON, with another value at one place."""
    copy: Any = deepcopy(tree)
    at = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(copy).encode()


def line_of(entry: Entry) -> str:
    hands_to = "-" if entry.hands_to is None else entry.hands_to.value
    parts = (
        entry.type,
        entry.model.__name__,
        entry.owner.value,
        entry.kind.value,
        f"hands-to={hands_to}",
        f"ends={entry.ends or '-'}",
        "department" if entry.department else "case",
    )
    return " ".join(parts)


# ---- the table ----------------------------------------------------------------------------------


def test_every_released_line_of_the_catalogue_is_there_unchanged() -> None:
    golden = (HERE / "catalogue.golden").read_text("utf-8").splitlines()
    told = {line_of(entry) for entry in ENTRIES}
    assert [line for line in golden if line not in told] == [], "a released line was changed"
    assert [line for line in told if line not in golden] == [], "add the new line to the file"


def test_every_type_string_names_its_owner_and_its_version_once() -> None:
    assert len(BY_TYPE) == len(ENTRIES)
    for entry in ENTRIES:
        product, owner, name, version = entry.type.split(".")
        assert (product, owner) == ("qyzmet", entry.owner.value)
        assert name.replace("-", "").isalpha()
        assert name.islower()
        assert version[0] == "v"
        assert version[1:].isdecimal()


def test_every_hand_off_names_the_next_holder_and_nothing_else_does() -> None:
    for entry in ENTRIES:
        assert (entry.kind is Kind.HAND_OFF) == (entry.hands_to is not None), entry.type
        assert entry.hands_to is not entry.owner, entry.type
        if entry.ends is not None:
            assert entry.kind is Kind.DECISION, entry.type


def test_the_five_names_of_the_spine_are_there() -> None:
    assert {entry.model.__name__ for entry in ENTRIES} >= SPINE


def test_facts_of_the_department_are_statements_of_routing() -> None:
    found = [entry for entry in ENTRIES if entry.department]
    assert found
    assert {(entry.owner, entry.kind) for entry in found} == {(Source.ROUTING, Kind.STATEMENT)}


def test_each_source_tells_its_own_events_only() -> None:
    for entry in ENTRIES:
        event = decode(entry.type, SAMPLES[entry.type].read_bytes())[1]
        for source in Source:
            own = any(e.model is entry.model and e.owner is source for e in ENTRIES)
            if own:
                assert entry_of(event, source).owner is source
            else:
                with pytest.raises(KeyError):
                    entry_of(event, source)


# ---- the samples --------------------------------------------------------------------------------


def test_there_is_one_sample_of_every_version_ever_released() -> None:
    assert set(SAMPLES) == {*BY_TYPE, *UPCASTS}


@pytest.mark.parametrize("type_", sorted(SAMPLES))
def test_a_sample_is_read_and_written_as_it_was(type_: str) -> None:
    entry, event = decode(type_, SAMPLES[type_].read_bytes())
    if type_ in UPCASTS:
        return  # an old version is read as the newest one and never written again
    assert json.loads(encode(event)) == sample(type_)
    assert list(json.loads(encode(event))) == list(sample(type_)), "the order of fields is kept"
    assert decode(type_, encode(event)) == (entry, event)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_a_sample_says_everything_that_its_event_can_say(entry: Entry) -> None:
    assert set(sample(entry.type)) == set(entry.model.model_fields)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_what_may_be_absent_is_absent_without_harm(entry: Entry) -> None:
    fields = entry.model.model_fields
    may_be_none = {name for name, f in fields.items() if type(None) in get_args(f.annotation)}
    short = {key: value for key, value in sample(entry.type).items() if key not in may_be_none}
    event = decode(entry.type, json.dumps(short).encode())[1]
    assert all(getattr(event, name) is None for name in may_be_none)
    assert json.loads(encode(event)) == short


# ---- nothing clear, nothing free (D11) ----------------------------------------------------------


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_no_text_of_an_event_can_be_free(entry: Entry) -> None:
    tree = sample(entry.type)
    texts = [path for path, value in leaves(tree) if isinstance(value, str)]
    assert texts
    for path in texts:
        for canary in (CANARY, "", "a b", "Нұрлан", "nurlan@example.kz"):
            with pytest.raises(MalformedEvent) as fault:
                decode(entry.type, changed(tree, path, canary))
            assert not canary or canary not in str(fault.value)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_every_field_of_free_text_lives_in_a_private_model(entry: Entry) -> None:
    found = dict(free_texts(entry.model.model_json_schema(mode="serialization")))
    assert found == {}, "seal it, or close its alphabet"


def free_texts(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text in the schema of an event that no alphabet closes, outside its private models."""
    private = {model.__name__ for model in _private_models(Private)}
    definitions = {
        name: found for name, found in schema.get("$defs", {}).items() if name not in private
    }
    for name, found in {"": schema, **definitions}.items():
        for field, part in found.get("properties", {}).items():
            for option in _options(part):
                if option.get("type") == "object" and "properties" not in option:
                    yield f"{name}.{field}", "an open object"
                if option.get("type") == "string" and not (
                    {"pattern", "enum", "const", "format"} & option.keys()
                ):
                    yield f"{name}.{field}", "an open text"


def _private_models(model: type[Private]) -> Iterator[type[Private]]:
    for found in model.__subclasses__():
        yield found
        yield from _private_models(found)


def _options(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for option in part.get("anyOf", [part]):
        yield option
        if "items" in option:
            yield from _options(option["items"])


def test_the_search_for_free_text_finds_some() -> None:
    class Loose(Event):
        note: str
        tags: tuple[str, ...]
        more: dict[str, str]
        code: Source

    found = dict(free_texts(Loose.model_json_schema(mode="serialization")))
    assert set(found) == {".note", ".tags", ".more"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_every_instant_says_its_zone_and_can_be_told_in_every_other(entry: Entry) -> None:
    tree = sample(entry.type)
    for path, value in leaves(tree):
        if isinstance(value, str) and value.endswith("Z") and value[4:5] == "-":
            for bad in (value.removesuffix("Z"), "0001-01-01T00:00:00+06:00"):
                with pytest.raises(MalformedEvent):
                    decode(entry.type, changed(tree, path, bad))


@pytest.mark.parametrize(
    "entry", [e for e in ENTRIES if private_model(e.model)], ids=lambda entry: entry.type
)
def test_a_clear_private_part_is_neither_written_nor_read(entry: Entry) -> None:
    model = private_model(entry.model)
    assert model is not None
    clear = model.model_construct(None, **dict.fromkeys(model.model_fields, CANARY))
    event = decode(entry.type, SAMPLES[entry.type].read_bytes())[1]
    with pytest.raises(TypeError) as fault:
        encode(event.model_copy(update={"private": clear}))
    assert CANARY not in str(fault.value)
    tree = sample(entry.type)
    with pytest.raises(MalformedEvent) as refused:
        decode(entry.type, changed(tree, ("private",), {"text": CANARY}))
    assert CANARY not in str(refused.value)
    assert decode(entry.type, changed(tree, ("private",), ERASED))


def test_a_clear_remark_in_the_log_is_malformed() -> None:
    type_ = next(entry.type for entry in ENTRIES if entry.model is WithdrawalRequested)
    remark = Remark(text=CANARY).model_dump()
    with pytest.raises(MalformedEvent, match="private is not sealed") as fault:
        decode(type_, changed(sample(type_), ("private",), remark))
    assert CANARY not in str(fault.value)


# ---- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["", "qyzmet.intake.application-lodged.v2", "x" * 5000])
def test_an_unknown_type_is_said_so(type_: str) -> None:
    with pytest.raises(UnknownType) as fault:
        decode(type_, b"{}")
    assert len(str(fault.value)) <= 100


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{", b"\xff", b"\x00", b"[" * 100_000, b'{"private": 1}']
)
def test_data_of_another_form_are_malformed(data: bytes) -> None:
    for entry in ENTRIES:
        with pytest.raises(MalformedEvent, match=entry.model.__name__):
            decode(entry.type, data)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.type)
def test_a_field_too_many_is_malformed_and_not_repeated(entry: Entry) -> None:
    tree = {**sample(entry.type), CANARY: CANARY}
    with pytest.raises(MalformedEvent, match="an unknown field") as fault:
        decode(entry.type, json.dumps(tree).encode())
    assert "Canary" not in str(fault.value)
