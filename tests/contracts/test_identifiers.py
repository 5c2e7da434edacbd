"""The driver's UUIDs stand for Python's everywhere (ADR 0032)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.identifiers import new_id, uuid_of


@given(st.uuids())
def test_a_uuid_is_the_same_whoever_made_it(known: UUID) -> None:
    found = uuid_of(str(known))
    assert isinstance(found, UUID)
    assert found == known
    assert known == found
    assert {known: 1}[found] == 1
    assert hash(found) == hash(known)
    assert str(found) == str(known)
    assert (found.int, found.bytes) == (known.int, known.bytes)
    assert TypeAdapter(UUID).dump_json(found) == TypeAdapter(UUID).dump_json(known)


@pytest.mark.parametrize("text", ["", "x", "0" * 31, "{00000000-0000-7000-8000-000000000001}"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        uuid_of(text)


def test_new_ones_are_of_version_7_and_in_the_order_in_which_they_were_made() -> None:
    made = [new_id() for _ in range(1_000)]
    assert {one.version for one in made} == {7}
    assert made == sorted(made)
    assert len(set(made)) == len(made)
