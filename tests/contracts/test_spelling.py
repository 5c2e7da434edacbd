"""The quick look at a body: whatever it accepts, the models accept, and say the same of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs

from services.casebook.arrivals import Arrival, Raw, _in_one_look, _the_long_way, arrival_of
from shared.events import spelling
from shared.events.catalogue import BY_TYPE, ENTRIES
from shared.events.codec import decode, encode
from shared.events.event import Event
from shared.events.holder import ParkedResolved
from shared.events.routing import StaffMemberRecorded
from shared.events.spelling import paths_of, picking, spelt, words_in
from tests.contracts.test_arbitrary_records import (
    HEADERS,
    KEY,
    SAMPLES,
    many,
    spoilt_events,
    spoilt_headers,
    types,
)

MODELS = sorted({entry.model for entry in ENTRIES}, key=lambda model: model.__name__)
TYPE_OF = {entry.model: entry.type for entry in ENTRIES}
ALWAYS_THE_LONG_WAY = {ParkedResolved, StaffMemberRecorded}
"""Rare ones, with numbers or yes and no in them."""
READ_IN_ONE_LOOK = [model for model in MODELS if model not in ALWAYS_THE_LONG_WAY]


def is_told_alike(type_: str, data: bytes) -> bool:
    """Look quickly; what is seen is what the models see. Was it seen at all?"""
    words = spelt(BY_TYPE[type_].model, data)
    if words is None:
        return False
    _, event = decode(type_, data)
    assert words == words_in(event)
    assert encode(event) == data
    return True


@some.composite
def respelt(draw: some.DrawFn) -> tuple[str, bytes]:
    """A sample in our own spelling, with a piece of it written in another way."""
    type_ = draw(types)
    _, event = decode(type_, SAMPLES[type_])
    data = encode(event)
    here, length = draw(some.integers(0, len(data) - 1)), draw(some.integers(0, 3))
    pieces = some.text('0123456789-:.TZ+"\\,{}[] \nabcABC/', max_size=4).map(str.encode)
    return type_, data[:here] + draw(pieces | some.binary(max_size=3)) + data[here + length :]


@pytest.mark.parametrize("type_", sorted(BY_TYPE))
def test_what_this_build_writes_is_read_in_one_look(type_: str) -> None:
    entry, event = decode(type_, SAMPLES[type_])
    looked = is_told_alike(type_, encode(event))
    assert looked is (entry.model not in ALWAYS_THE_LONG_WAY)
    assert len(words_in(event)) == len(paths_of(entry.model))


@many
@given(some.data())
def test_whatever_is_spelt_so_the_model_would_write_so(data: some.DataObject) -> None:
    model = data.draw(some.sampled_from(READ_IN_ONE_LOOK))
    pattern = spelling._spelling(model).pattern
    assert pattern is not None
    body = data.draw(some.from_regex(pattern, fullmatch=True))
    assert is_told_alike(TYPE_OF[model], body.encode())


@many
@given(spoilt_events() | respelt() | some.tuples(types, some.binary(max_size=200)))
def test_what_is_seen_in_any_body_is_what_the_models_see(spoilt: tuple[str, bytes]) -> None:
    is_told_alike(*spoilt)


def as_it_came(arrival: Arrival) -> Arrival:
    """The same with the record that it stands for, as one may ask it again."""
    kept = arrival.raw
    headers = tuple(kept.headers)
    raw = Raw(
        kept.topic, kept.partition, kept.offset, kept.timestamp, kept.key, headers, kept.value
    )
    return structs.replace(arrival, raw=raw)


@many
@given(some.none() | some.just(KEY) | some.binary(max_size=40), spoilt_headers(), respelt())
def test_casebook_sees_the_same_in_a_record_both_ways(
    key: bytes | None, headers: list[tuple[str, bytes | None]], spoilt: tuple[str, bytes]
) -> None:
    type_, data = spoilt
    own = {"ce_type": type_.encode(), "ce_source": BY_TYPE[type_].owner.value.encode()}
    retyped = tuple((name, own.get(name, value)) for name, value in headers)
    for topic in ("case-events", "department-events"):
        raw = Raw(topic, 3, 7, 0, key, retyped, data)
        slowly = _the_long_way(raw)
        for quickly in (_in_one_look(raw), arrival_of(raw)):
            assert quickly is None or as_it_came(quickly) == slowly


def test_a_good_record_is_read_in_one_look() -> None:
    for type_, data in SAMPLES.items():
        entry, event = decode(type_, data)
        if entry.department or entry.model in ALWAYS_THE_LONG_WAY:
            continue
        own = {"ce_type": type_.encode(), "ce_source": entry.owner.value.encode()}
        headers = tuple((name, own.get(name, value)) for name, value in HEADERS)
        raw = Raw("case-events", 3, 7, 0, KEY, headers, encode(event))
        looked = _in_one_look(raw)
        assert looked is not None
        assert as_it_came(looked) == _the_long_way(raw)
        assert looked.fact is not None
        assert looked.fact.event == event


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"assigned_at":"2026-03-10T07:02:00Z"', b'"assigned_at":"2026-02-30T07:02:00Z"'),
        (b'"assigned_at":"2026-03-10T07:02:00Z"', b'"assigned_at":"2026-03-10T24:00:00Z"'),
        (b'"assigned_at":"2026-03-10T07:02:00Z"', b'"assigned_at":"2026-03-10T12:02:00+05:00"'),
        (b'"assigned_at":"2026-03-10T07:02:00Z"', b'"assigned_at":"2026-03-10T07:02:00.000000Z"'),
        (b'"assigned_at":"2026-03-10T07:02:00Z"', b'"assigned_at":"2026-03-10T07:02:00.5Z"'),
        (b'"assigned_at":"2026-03-10T07:02:00Z"', b'"assigned_at":1772000000'),
        (b'"executor":"aigul"', b'"executor":"aigul\\n"'),
        (b'"executor":"aigul"', b'"executor":"aigul","executor":"bolat"'),
        (b'"executor":"aigul"', b'"executor": "aigul"'),
        (b'"executor":"aigul"', b'"executor":"\\u0061igul"'),
        (b'"private":"erased"', b'"private":{"text":"clear"}'),
        (b'"private":"erased"', b'"private":null'),
        (b'"private":"erased"', b'"private":"erased","more":1'),
        (b"}", b"} "),
    ],
)
def test_another_spelling_goes_the_long_way(before: bytes, after: bytes) -> None:
    body = (
        b'{"executor":"aigul","assigned_at":"2026-03-10T07:02:00Z","due":{"at":'
        b'"2026-03-16T07:02:00Z","rule":"working-days-after-event","calendar":"test-2026",'
        b'"clause":"R3 5.3"},"private":"erased"}'
    )
    type_ = "qyzmet.routing.executor-assigned.v1"
    assert is_told_alike(type_, body)
    assert before in body
    assert spelt(BY_TYPE[type_].model, body.replace(before, after)) is None


def test_a_body_that_may_be_too_long_goes_the_long_way() -> None:
    type_ = "qyzmet.intake.withdrawal-requested.v1"
    for letters, is_looked_at in ((500_000, True), (1_000_000, False)):
        private = "sealed.v1." + "A" * letters
        body = json.dumps(
            {"requested_at": "2026-03-10T07:02:00Z", "private": private}, separators=(",", ":")
        ).encode()
        assert (spelt(BY_TYPE[type_].model, body) is not None) is is_looked_at


@pytest.mark.parametrize("model", MODELS)
def test_a_sealed_part_is_not_the_first(model: type[Event]) -> None:
    """casebook cuts it out, with the comma before it."""
    assert paths_of(model)[0] != "private"


def test_words_are_picked_by_name() -> None:
    pick = picking(BY_TYPE["qyzmet.notify.notice-sent.v1"].model, "sent_at", "way")
    assert pick(("sms", "result-issued", "2026-03-10T07:02:00Z")) == ("2026-03-10T07:02:00Z", "sms")
    with pytest.raises(ValueError, match="not in tuple"):
        picking(BY_TYPE["qyzmet.notify.notice-sent.v1"].model, "sent_at", "nonsense")
