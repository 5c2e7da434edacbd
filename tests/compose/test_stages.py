"""Stages that crash, that are scaled and that are replaced, while cases run through all of them."""

import time

import pytest

from deploy.local.environment import STAGES
from deploy.site import rolling
from deploy.site.rolling import containers, roll
from tests.compose.composed import Composed, must
from tests.compose.load import ended, lodging
from tests.faults.stand import FULL

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3600 if FULL else 900)]
CASES = 1000 if FULL else 60
CASES_PER_S = 5.0
"""They last longer than what is done to the stages: no stage is left out while nothing runs."""


def test_stages_are_killed_scaled_and_rolled_and_nothing_is_lost_or_double(
    opened: Composed,
) -> None:
    with lodging(opened, CASES_PER_S) as load:
        for stage in STAGES if FULL else ("executor",):
            opened.crash(stage)
            time.sleep(5.0)
            opened.wait_healthy()
            scale(opened, stage, 2)
            time.sleep(5.0)
            scale(opened, stage, 1)
            roll(opened.program(), stage)
        during = len(load.answers)
        load.until(CASES)
    assert during > CASES / 4
    # A process that was killed answers nobody who was asking it; the others never refuse.
    assert {each.status for each in load.answers} <= {0, 201, 202, 502, 503}
    assert len(load.cases) > len(load.answers) * 0.8
    ended(opened, load)


def test_a_container_that_was_left_behind_is_not_in_the_way_of_a_roll(opened: Composed) -> None:
    (before,) = containers(opened.program(), "issuer")
    more = ["up", "--no-start", "--no-deps", "--no-recreate", "--scale", "issuer=2", "issuer"]
    opened.compose(*more)
    roll(opened.program(), "issuer")
    (after,) = containers(opened.program(), "issuer")
    assert after != before
    (left,) = set(containers(opened.program(), "issuer", even_still=True)) - {after}
    must(["docker", "rm", left])


def test_a_process_that_does_not_come_up_is_taken_back_and_it_is_said_why(
    opened: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "HEALTHY_WITHIN_S", 15.0)
    before = containers(opened.program(), "intake", even_still=True)
    opened.choose("QYZMET_LOG_LEVEL", "nonsense")
    with pytest.raises(TimeoutError, match=r"(?s)intake_\d+: .* health checks:.*log_level"):
        roll(opened.program(), "intake")
    opened.choose("QYZMET_LOG_LEVEL", "info")
    assert containers(opened.program(), "intake", even_still=True) == before
    assert opened.lodge().is_success


def scale(composed: Composed, stage: str, count: int) -> None:
    """To so many processes, and until they are healthy."""
    told = ["up", "--detach", "--no-deps", "--no-recreate", "--scale", f"{stage}={count}", stage]
    composed.compose(*told)
    composed.wait_healthy()
    assert len(composed.inspected(stage)) == count
