"""Three brokers, of which one is lost. Its installation is gone before that of other tests."""

import time

import pytest

from tests.compose.composed import PROJECT, ended, lodging, must
from tests.compose.conftest import installation

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]
KINDS = ("container", "volume", "network")


def test_of_three_brokers_one_is_lost_and_nothing_is_left_when_all_is_taken_down() -> None:
    with installation(3, "demo", "cluster") as cluster:
        cluster.open_office()
        with lodging(cluster) as answers:
            time.sleep(5.0)
            # It leads a third of the partitions. Where it is gone, two copies still take records.
            cluster.compose("kill", "kafka-1")
            time.sleep(30.0)
            lost = len(answers)
            time.sleep(10.0)
            late = [answer.status_code for answer in answers[lost:]]
            cluster.compose("start", "kafka-1")
        cluster.wait_healthy()
        assert {answer.status_code for answer in answers} <= {201, 202, 503}
        assert late
        assert set(late) <= {201, 202}
        ended(cluster, [answer for answer in answers if answer.is_success])
    assert {kind: remains(kind) for kind in KINDS} == dict.fromkeys(KINDS, "")


def remains(kind: str) -> str:
    """What the engine still has of it."""
    everything = ["--all"] if kind == "container" else []
    marked = ["--filter", f"label=com.docker.compose.project={PROJECT}"]
    return must(["docker", kind, "ls", "--quiet", *everything, *marked])
