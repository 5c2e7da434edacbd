"""Whatever a record of the log is: it is a fact, or a named fault. Nothing else comes out."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from services.casebook.cli.events import Logged, values_of
from shared.events import codec, upcasts
from shared.events.catalogue import BY_TYPE
from shared.events.codec import UnknownType, decode, encode
from shared.events.envelope import (
    Envelope,
    MalformedEnvelope,
    envelope_of,
    from_headers,
    to_headers,
)
from shared.events.event import MalformedEvent
from shared.messaging.records import Incoming
from tests.contracts.test_envelope import FULL

SAMPLES = {
    file.name.removesuffix(".json"): file.read_bytes()
    for file in (Path(__file__).parent / "samples").iterdir()
}
EXAMPLES = int(os.environ.get("QYZMET_FUZZ_EXAMPLES", "200"))
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="QYZMET_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

types = some.sampled_from(sorted(BY_TYPE))
json_values: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)
header_values = some.none() | some.binary(max_size=80)
header_names = some.sampled_from([name for name, _ in to_headers(FULL.attributes())]) | some.text(
    max_size=20
)
HEADERS: list[tuple[str, bytes | None]] = list(to_headers(dict(sorted(FULL.attributes().items()))))
"""In the order in which the relays write them, so that the quick look is taken."""
KEY = str(FULL.case_id).encode()


@some.composite
def spoilt_headers(draw: some.DrawFn) -> list[tuple[str, bytes | None]]:
    """Good headers in which some are changed, lost, doubled or put elsewhere."""
    found: list[tuple[str, bytes | None]] = list(HEADERS)
    for _ in range(draw(some.integers(0, 3))):
        place = draw(some.integers(0, len(found) - 1))
        how = draw(some.sampled_from(["value", "byte", "name", "lose", "double", "move"]))
        name, value = found[place]
        if how == "value":
            found[place] = (name, draw(header_values))
        elif how == "byte" and value:
            at = draw(some.integers(0, len(value) - 1))
            other = bytes([draw(some.integers(0, 255))])
            found[place] = (name, value[:at] + other + value[at + 1 :])
        elif how == "name":
            found[place] = (draw(header_names), value)
        elif how == "lose" and len(found) > 1:
            del found[place]
        elif how == "double":
            found.append(found[place])
        else:
            found.append(found.pop(place))
    return found


@some.composite
def spoilt_events(draw: some.DrawFn) -> tuple[str, bytes]:
    """A sample in which one byte, or one value, is another."""
    type_ = draw(types)
    data = SAMPLES[type_]
    if draw(some.booleans()):
        at = draw(some.integers(0, len(data) - 1))
        return type_, data[:at] + draw(some.binary(max_size=3)) + data[at + 1 :]
    values = json.loads(data)
    values[draw(some.sampled_from(sorted(values)))] = draw(json_values)
    return type_, json.dumps(values).encode("utf-8", "surrogatepass")


def decoded(type_: str, data: bytes) -> None:
    """Decode; what comes out is written as it can be read again."""
    try:
        entry, event = decode(type_, data)
    except (UnknownType, MalformedEvent):
        return
    assert decode(entry.type, encode(event)) == (entry, event)


@many
@given(types | some.text(max_size=60), some.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_named_fault(type_: str, data: bytes) -> None:
    decoded(type_, data)


@many
@given(types, json_values)
def test_any_json_is_an_event_or_a_named_fault(type_: str, value: Any) -> None:
    decoded(type_, json.dumps(value).encode())


@many
@given(spoilt_events())
def test_a_spoilt_sample_is_an_event_or_a_named_fault(spoilt: tuple[str, bytes]) -> None:
    decoded(*spoilt)


@many
@given(spoilt_headers() | some.lists(some.tuples(header_names, header_values), max_size=20))
def test_any_headers_are_an_envelope_or_a_named_fault(
    headers: list[tuple[str, bytes | None]],
) -> None:
    try:
        envelope = envelope_of(headers)
    except MalformedEnvelope:
        with pytest.raises(MalformedEnvelope):
            Envelope.from_attributes(from_headers(headers))
        return
    # The quick look and the long way see the same, and it is written as it can be read again.
    assert envelope == Envelope.from_attributes(from_headers(headers))
    assert envelope_of(to_headers(envelope.attributes())) == envelope


@many
@given(some.none() | some.just(KEY) | some.binary(max_size=40), spoilt_headers(), spoilt_events())
def test_any_record_is_a_fact_or_says_why_not(
    key: bytes | None, headers: list[tuple[str, bytes | None]], spoilt: tuple[str, bytes]
) -> None:
    type_, data = spoilt
    owner = BY_TYPE[type_].owner.value.encode()
    own = {"ce_type": type_.encode(), "ce_source": owner}
    retyped = [(name, own.get(name, value)) for name, value in headers]
    found = Incoming("case-events", 3, 7, key, tuple(retyped), data)
    assert isinstance(found, Incoming)
    assert (found.fact is None) is (found.fault is not None)
    assert tuple(found.headers) == tuple(retyped), "a record stands aside as it came"
    if found.fault is not None:
        assert found.fault.isprintable()
        assert not found.fault.startswith("it cannot be read"), "a fault that nobody has named"
    if found.fact is not None:
        assert found.fact.envelope.case_id == found.case_id
        assert type(found.fact.event) is found.fact.model
    shown = values_of(Logged(found, datetime.now(UTC)))  # `qyzmet events`: whatever a record is
    assert ("data" in shown) is (found.fault is None)


@many
@given(some.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_an_old_version_is_read_or_is_a_named_fault(data: bytes) -> None:
    """An upcaster need not guard itself: what it stumbles over is malformed."""
    old = "qyzmet.intake.application-registered.v0"

    def step(values: dict[str, Any]) -> dict[str, Any]:
        return {"registered_at": values["when"]["at"].lower(), **values["rest"]}

    steps = {old: ("qyzmet.intake.application-registered.v1", step)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(codec, "UPCASTS", steps)
        patched.setattr(upcasts, "UPCASTS", steps)
        for body in (data, b"[" * 100_000, b'{"when": {"at": 7}}', b'{"when": {}}'):
            with pytest.raises(MalformedEvent):
                decode(old, body)
