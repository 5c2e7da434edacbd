"""The envelope as headers of the log (D12): every attribute there and back, and the chain."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.catalogue import BY_TYPE
from shared.events.envelope import (
    GENESIS,
    Envelope,
    MalformedEnvelope,
    ProcedureRef,
    canonical,
    chain_hash,
    from_headers,
    to_headers,
)
from shared.identifiers import CaseId, EventId, Source

CANARY = "Nurlan Canary 880101300017"
FULL = Envelope(
    event_id=EventId(UUID("01956a4e-7c00-7000-8000-000000000002")),
    type="qyzmet.intake.application-registered.v1",
    source=Source.INTAKE,
    case_id=CaseId(UUID("01956a4e-7c00-7000-8000-000000000001")),
    sequence=2,
    turn=0,
    time=datetime(2026, 3, 2, 4, 0, 0, 123000, tzinfo=UTC),
    actor="staff:aigul",
    office="almaly",
    procedure=f"home-education@2016-08-25#{'ab' * 32}",
    synthetic=True,
    prev_hash=GENESIS,
    causation_id=EventId(UUID("01956a4e-7c00-7000-8000-000000000003")),
    idempotency_key=f"{'1' * 64}:{'2' * 64}",
    traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
)
ATTRIBUTES = frozenset(
    {
        "actor",
        "causationid",
        "correlationid",
        "id",
        "idempotencykey",
        "office",
        "prevhash",
        "procedure",
        "sequence",
        "source",
        "specversion",
        "subject",
        "synthetic",
        "time",
        "traceparent",
        "turn",
        "type",
    }
)
MAY_BE_ABSENT = {"causationid", "idempotencykey", "traceparent"}

uuids = st.uuids(version=4)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
names = st.from_regex(r"[a-z][a-z0-9\-]{1,40}", fullmatch=True)
kinds = st.sampled_from(["staff", "rule", "applicant", "operator"])
moments = st.integers(min_value=1_000_000_000_000, max_value=30_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
traces = st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)).map(
    lambda parts: f"00-{parts[0].hex()}-{parts[1].hex()}-01"
)
envelopes = st.builds(
    Envelope,
    event_id=uuids,
    type=st.sampled_from(sorted(BY_TYPE)),
    source=st.sampled_from(Source),
    case_id=uuids,
    sequence=st.integers(1, 999_999_999),
    turn=st.integers(0, 999_999_999),
    time=moments,
    actor=st.builds("{}:{}".format, kinds, names),
    office=names,
    procedure=st.one_of(
        st.just("department"),
        st.builds(str, st.builds(ProcedureRef, names, st.dates().map(str), digests)),
    ),
    synthetic=st.booleans(),
    prev_hash=digests,
    causation_id=st.none() | uuids,
    idempotency_key=st.none() | st.builds("{}:{}".format, digests, digests),
    traceparent=st.none() | traces,
)


@given(envelopes)
def test_an_envelope_comes_back_from_its_headers(envelope: Envelope) -> None:
    headers = to_headers(envelope.attributes())
    found = from_headers(headers)
    assert Envelope.from_attributes(found) == envelope
    assert found == envelope.attributes()
    assert canonical(found) == canonical(dict(reversed(found.items())))


def test_every_attribute_is_a_header_and_no_other() -> None:
    headers = dict(to_headers(FULL.attributes()))
    assert headers.pop("content-type") == b"application/json"
    assert {name.removeprefix("ce_") for name in headers} == ATTRIBUTES
    assert all(name.startswith("ce_") for name in headers)
    assert headers["ce_time"] == b"2026-03-02T04:00:00.123Z"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_subject"] == headers["ce_correlationid"]


def test_the_chain_hashes_what_it_always_hashed() -> None:
    text = canonical(FULL.attributes())
    assert text.startswith('{"actor":"staff:aigul","causationid":"01956a4e-')
    assert chain_hash(text, b'{"a":1}') == GOLDEN_HASH
    assert chain_hash(text, b'{"a":2}') != GOLDEN_HASH


GOLDEN_HASH = "6f429dc760b7cac0bd664fe29c3007d80500d7c8ac1cbe23a6187ca3f4bf2f03"


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_a_missing_attribute_is_named(name: str) -> None:
    found = FULL.attributes()
    del found[name]
    if name in MAY_BE_ABSENT:
        assert Envelope.from_attributes(found)
        return
    with pytest.raises(MalformedEnvelope, match=f"'{name}' is missing"):
        Envelope.from_attributes(found)


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
@pytest.mark.parametrize(
    "value",
    [CANARY, "", "\x00", "\n", "Нұрлан", "9" * 5000, "{01956a4e-7c00-7000-8000-000000000003}"],
    ids=["canary", "empty", "nul", "newline", "cyrillic", "long", "braces"],
)
def test_an_attribute_that_is_not_of_its_type_is_named_and_its_value_is_not(
    name: str, value: str
) -> None:
    with pytest.raises(MalformedEnvelope, match=f"attribute '{name}'") as fault:
        Envelope.from_attributes({**FULL.attributes(), name: value})
    assert "Canary" not in str(fault.value)
    assert "8801" not in str(fault.value)
    assert fault.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sequence", ["0", "-1", "+1", "1.0", " 1", "１", "01", "9999999999"]),
        ("turn", ["-1", "+0", "00", "٣"]),
        ("time", ["2026-03-02", "2026-03-02T04:00:00", "0001-01-01T00:00:00.000Z", "now"]),
        ("synthetic", ["True", "1", "yes"]),
        ("specversion", ["1.1", "0.3"]),
        ("source", ["casebook", "INTAKE"]),
        ("actor", ["aigul", "staff:", "root:aigul", "staff:Aigul Canary"]),
        ("prevhash", ["0" * 63, "G" * 64]),
        (
            "procedure",
            ["home-education", "a@2016-08-25#", "x y@2016-08-25#" + "a" * 64],
        ),
        ("traceparent", ["00", "00-zz-zz-00"]),
        ("time", ["2026-02-30T04:00:00.000Z", "2026-03-02T24:61:00.000Z"]),
    ],
)
def test_what_is_almost_right_is_wrong(name: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(MalformedEnvelope, match=f"attribute '{name}'"):
            Envelope.from_attributes({**FULL.attributes(), name: value})


def test_a_subject_that_is_not_the_correlation_is_malformed() -> None:
    other = {**FULL.attributes(), "correlationid": str(FULL.event_id)}
    with pytest.raises(MalformedEnvelope, match="'correlationid' is not the subject"):
        Envelope.from_attributes(other)


@pytest.mark.parametrize("value", [None, b"\xff" + CANARY.encode()], ids=["null", "not UTF-8"])
def test_a_header_without_a_text_is_named_and_its_value_is_not(value: bytes | None) -> None:
    headers: list[tuple[str, Any]] = [*to_headers(FULL.attributes()), ("ce_actor", value)]
    with pytest.raises(MalformedEnvelope, match="header 'ce_actor'") as fault:
        from_headers(headers)
    assert "Canary" not in str(fault.value)


def test_headers_that_are_none_of_ours_are_left_alone() -> None:
    headers = [*to_headers(FULL.attributes()), ("x-trace", b"\xff"), ("retry", b"")]
    assert Envelope.from_attributes(from_headers(headers)) == FULL


@pytest.mark.parametrize("text", ["", "a@b", "@2016#d", "a#b@c", "a@#d"])
def test_a_procedure_is_named_with_edition_and_digest(text: str) -> None:
    with pytest.raises(ValueError, match="not <procedure>@<edition>#<digest>"):
        ProcedureRef.parse(text)
    whole = ProcedureRef("home-education", "2016-08-25", "ab")
    assert ProcedureRef.parse(str(whole)) == whole
