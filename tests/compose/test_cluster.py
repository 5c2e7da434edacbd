"""Three brokers, of which the one that leads is lost. Its installation is gone before that of other
tests."""

import json
import re
import time

import pytest

from tests.compose.composed import Composed
from tests.compose.conftest import installation, only_in_full
from tests.compose.load import ended, lodging

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200), only_in_full]
BROKERS = 3
CASES_PER_S = 10.0
LEADERS = """
import asyncio, json, os
from aiokafka.admin import AIOKafkaAdminClient
from shared.messaging.access import client_options

async def main():
    admin = AIOKafkaAdminClient(**client_options(os.environ["QYZMET_KAFKA"]))
    await admin.start()
    (topic,) = await admin.describe_topics(["case-events"])
    print(json.dumps({part["partition"]: part["leader"] for part in topic["partitions"]}))
    await admin.close()

asyncio.run(main())
"""


def test_of_three_brokers_the_leading_one_is_lost() -> None:
    with installation(BROKERS, "demo", "cluster") as cluster:
        cluster.open_office()
        leading = controller(cluster)
        with lodging(cluster, CASES_PER_S) as load:
            time.sleep(5.0)
            led = {part for part, leader in leaders(cluster).items() if leader == leading}
            assert led  # it takes writes besides
            cluster.compose("kill", f"kafka-{leading}")
            time.sleep(30.0)
            lost = len(load.answers)
            time.sleep(15.0)
            late = load.answers[lost:]
            after = leaders(cluster)
            cluster.compose("start", f"kafka-{leading}")
        cluster.wait_healthy()
        assert {answer.status for answer in load.answers} <= {201, 202, 503}
        assert len(late) > CASES_PER_S
        assert {answer.status for answer in late} == {201}
        # What it led others lead now, and applications were written to all of it.
        assert not {after[part] for part in led} & {leading, -1}
        assert led <= {partition(answer.text) for answer in late}
        ended(cluster, load)


def leaders(cluster: Composed) -> dict[int, int]:
    """Who leads each partition of the cases."""
    told = ["run", "--rm", "--no-deps", "-T", "--entrypoint", "python3", "operator", "-c", LEADERS]
    found: dict[str, int] = json.loads(cluster.compose(*told))
    return {int(part): leader for part, leader in found.items()}


def controller(cluster: Composed) -> int:
    """The broker that leads the controllers: whose election was the last, by their own logs."""
    elected = {}
    for number in range(1, BROKERS + 1):
        words = cluster.compose("logs", "--no-color", f"kafka-{number}")
        for epoch in re.findall(r"Becoming the active controller at epoch (\d+)", words):
            elected[int(epoch)] = number
    return elected[max(elected)]


def partition(answer: str) -> int:
    """Where in the log an application stands, by its answer."""
    return int(json.loads(answer)["position"].partition(":")[0])
