"""Sealing: what was sealed for one event opens for that event only, unchanged, or not at all."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.errors import Refused
from shared.events.event import ERASED, Event, Private, Remark, Sealed
from shared.events.intake import (
    Applicant,
    ApplicationLodged,
    ApplicationRegistered,
    WithdrawalRequested,
)
from shared.identifiers import CaseId, EventId, new_id
from shared.privacy.sealing import (
    PLAIN_BYTES_MAX,
    CaseKey,
    Tampered,
    private_model,
    seal,
    unseal,
)

TYPE = "qyzmet.intake.application-lodged.v1"
CASE = CaseId(new_id())
EVENT = EventId(new_id())
KEY = CaseKey.new()
CANARY = "canary-of-a-person"

applicants = some.builds(
    Applicant,
    iin=some.text(max_size=20),
    surname=some.text(max_size=200),
    given_name=some.text(max_size=200),
    phone=some.none() | some.text(max_size=30),
    form=some.dictionaries(some.text(max_size=30), some.text(max_size=100), max_size=5),
)


def sealed(text: str = CANARY) -> Sealed:
    return seal(KEY, type_=TYPE, case_id=CASE, event_id=EVENT, private=Remark(text=text))


def opened(
    block: Sealed,
    *,
    key: CaseKey | None = KEY,
    type_: str = TYPE,
    case_id: CaseId = CASE,
    event_id: EventId = EVENT,
) -> Remark | None:
    return unseal(key, type_=type_, case_id=case_id, event_id=event_id, sealed=block, model=Remark)


def withdrawal(block: Sealed) -> WithdrawalRequested:
    return WithdrawalRequested.model_validate(
        {"requested_at": "2026-03-01T10:00:00Z", "private": block}
    )


@given(private=applicants)
def test_what_was_sealed_opens_again(private: Applicant) -> None:
    block = seal(KEY, type_=TYPE, case_id=CASE, event_id=EVENT, private=private)
    found = unseal(KEY, type_=TYPE, case_id=CASE, event_id=EVENT, sealed=block, model=Applicant)
    assert found == private


def test_a_block_has_the_form_that_events_demand() -> None:
    block = sealed()
    assert withdrawal(block).private == block
    assert CANARY not in sealed()


def test_the_same_words_are_sealed_differently_each_time() -> None:
    assert sealed() != sealed()


def test_a_block_does_not_open_as_another_event() -> None:
    with pytest.raises(Tampered):
        opened(sealed(), event_id=EventId(new_id()))


def test_a_block_does_not_open_in_another_case() -> None:
    with pytest.raises(Tampered):
        opened(sealed(), case_id=CaseId(new_id()))


def test_a_block_does_not_open_under_another_type() -> None:
    with pytest.raises(Tampered):
        opened(sealed(), type_="qyzmet.intake.application-lodged.v2")


def test_a_block_does_not_open_with_another_key() -> None:
    with pytest.raises(Tampered):
        opened(sealed(), key=CaseKey.new())


BLOCK = sealed()


@given(place=some.integers(0, len(BLOCK) - 1), bit=some.integers(0, 6))
def test_every_flipped_bit_is_found(place: int, bit: int) -> None:
    flipped = BLOCK[:place] + chr(ord(BLOCK[place]) ^ (1 << bit)) + BLOCK[place + 1 :]
    with pytest.raises(Tampered):
        opened(flipped)


@given(kept=some.integers(0, len(BLOCK) - 1))
def test_every_cut_is_found(kept: int) -> None:
    with pytest.raises(Tampered):
        opened(BLOCK[:kept])


def test_an_erased_block_says_nothing() -> None:
    assert opened(ERASED) is None


def test_without_its_key_a_block_says_nothing() -> None:
    assert opened(sealed(), key=None) is None


def test_a_block_of_another_model_does_not_show_what_it_holds() -> None:
    with pytest.raises(Tampered) as raised:
        unseal(KEY, type_=TYPE, case_id=CASE, event_id=EVENT, sealed=sealed(), model=Applicant)
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__


def test_more_than_a_block_holds_is_refused_with_its_size_only() -> None:
    form = {str(number): CANARY * 1_000 for number in range(100)}
    person = Applicant(iin="0", surname="A", given_name="B", form=form)
    with pytest.raises(Refused) as raised:
        seal(KEY, type_=TYPE, case_id=CASE, event_id=EVENT, private=person)
    assert CANARY not in str(raised.value)
    assert str(PLAIN_BYTES_MAX) in raised.value.expected


def test_the_largest_block_still_fits_into_an_event() -> None:
    class Long(Private):
        words: list[str]

    words = ["a" * 20_000] * 34
    block = seal(KEY, type_=TYPE, case_id=CASE, event_id=EVENT, private=Long(words=words))
    assert withdrawal(block).private == block
    assert len("sealed.v1.") + (PLAIN_BYTES_MAX + 28) * 4 // 3 + 2 <= 1_000_000


def test_a_key_does_not_show_itself() -> None:
    key = CaseKey(b"k" * 32)
    assert "k" * 4 not in repr(key) + str(key) + f"{key}"


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CaseKey(uuid4().bytes)


@pytest.mark.parametrize(
    ("event", "model"),
    [
        (ApplicationLodged, Applicant),
        (WithdrawalRequested, Remark),
        (ApplicationRegistered, None),
    ],
)
def test_the_private_model_is_found_in_the_annotation(
    event: type[Event], model: type[Private] | None
) -> None:
    assert private_model(event) is model
