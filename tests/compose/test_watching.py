"""Prometheus beside the system: every panel has data, and alerts fire for what really happens."""

import time

import httpx
import pytest

from deploy.observability.__main__ import answers as asked
from deploy.observability.panels import queries
from tests.compose.composed import PROJECT, Composed, lodging, must

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]
WITHIN_S = 240.0
# A record that no service can read sets its case aside in all of them.
BAD_RECORD = """
import asyncio, os, uuid
from aiokafka import AIOKafkaProducer
from shared.messaging.access import client_options

async def main():
    producer = AIOKafkaProducer(**client_options(os.environ["QYZMET_KAFKA"]))
    await producer.start()
    await producer.send_and_wait("case-events", b"{}", key=str(uuid.uuid4()).encode())
    await producer.stop()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server(opened: Composed) -> str:
    """Prometheus, on its internal network; the machine that hosts it can reach it there."""
    opened.compose("up", "--detach", "--no-deps", "prometheus")
    networks = opened.inspected("prometheus")[0]["NetworkSettings"]["Networks"]
    return f"http://{networks[f'{PROJECT}_watch']['IPAddress']}:9090"


def firing(server: str) -> set[tuple[str, str]]:
    """Alert and service of all that fire now."""
    found = asked(server, 'ALERTS{alertstate="firing"}')
    return {(each["metric"]["alertname"], each["metric"].get("job", "")) for each in found}


def until(server: str, wanted: set[tuple[str, str]]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not wanted <= firing(server):
        assert time.monotonic() < deadline, wanted - firing(server)
        time.sleep(2.0)


def test_every_panel_has_data_while_cases_run(opened: Composed, server: str) -> None:
    opened.run("demo")
    empty = dict(queries())
    deadline = time.monotonic() + WITHIN_S
    with lodging(opened):
        while empty and time.monotonic() < deadline:
            time.sleep(3.0)
            empty = {title: query for title, query in empty.items() if not _answered(server, query)}
    assert empty == {}
    assert not {name for name, _ in firing(server)} & {"ServiceDown", "ServiceMissing"}


def _answered(server: str, query: str) -> bool:
    try:
        return bool(asked(server, query))
    except httpx.TransportError:
        return False  # it is only starting


def test_alerts_fire_for_what_happens(opened: Composed, server: str) -> None:
    opened.compose(
        "run", "--rm", "--no-deps", "-T", "--entrypoint", "python3", "operator", "-c", BAD_RECORD
    )
    until(server, {("CasesParked", "intake"), ("CasesParked", "routing")})
    paused = [opened.inspected(name)[0]["Id"] for name in ("kafka-1", "executor")]
    must(["docker", "pause", *paused])
    try:
        with lodging(opened):
            until(server, {("ServiceDown", "executor"), ("OutboxStands", "intake")})
            until(server, {("ErrorBudgetBurns", "intake")})
    finally:
        must(["docker", "unpause", *paused])
    deadline = time.monotonic() + WITHIN_S
    while {("ServiceDown", "executor"), ("OutboxStands", "intake")} & firing(server):
        assert time.monotonic() < deadline
        time.sleep(2.0)
