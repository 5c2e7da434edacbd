"""When a reader rests (ADR 0032)."""

import pytest

from shared.messaging.pace import rest_s

MOST = 2_000


@pytest.mark.parametrize("records", [1, 99])
def test_a_reader_with_little_to_do_answers_at_once(records: int) -> None:
    assert rest_s(records, MOST, took_s=5.0) == 0.0


def test_a_reader_that_is_behind_goes_on_at_once() -> None:
    assert rest_s(MOST, MOST, took_s=5.0) == 0.0


@pytest.mark.parametrize(("took_s", "rested_s"), [(0.03, 0.03), (0.2, 0.2), (9.0, 0.2)])
def test_a_busy_reader_rests_as_long_as_it_worked(took_s: float, rested_s: float) -> None:
    assert rest_s(100, MOST, took_s) == rested_s
