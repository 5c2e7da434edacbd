"""Who reads the log when its broker dies is told so, and can read on when it is back."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from shared.errors import Unavailable
from shared.messaging.log import Place, open_log
from shared.messaging.topics import TOPICS, create_topics

NAMES = [topic.name for topic in TOPICS]
GIVEN_UP_AFTER_S = 3.0


@pytest.fixture
def mortal(session_folder: Path) -> Iterator[LocalBroker]:
    port, controller_port = free_ports(2)
    broker = LocalBroker(session_folder / "mortal", port, controller_port)
    broker.start()
    broker.wait_ready()
    yield broker
    broker.stop()


async def test_nobody_is_cancelled_by_a_client_that_stops(
    mortal: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # aiokafka's own: closing a consumer without its broker lets a CancelledError out.
    monkeypatch.setattr("shared.messaging.log._CONNECT_WAIT_S", GIVEN_UP_AFTER_S)
    await create_topics(mortal.bootstrap)
    reader = asyncio.create_task(read_on_without(mortal))
    await asyncio.wait({reader})
    assert not reader.cancelled()
    assert isinstance(reader.exception(), Unavailable)
    mortal.start()
    await asyncio.to_thread(mortal.wait_ready)
    assert len(await asyncio.wait_for(ends(mortal), 60)) == sum(each.partitions for each in TOPICS)


async def read_on_without(broker: LocalBroker) -> None:
    async with open_log(broker.bootstrap, NAMES) as log:
        assert await log.poll(50, 100) == []
        await asyncio.to_thread(broker.kill)
        await log.ends()


async def ends(broker: LocalBroker) -> Mapping[Place, int]:
    while True:
        try:
            async with open_log(broker.bootstrap, NAMES) as log:
                return await log.ends()
        except Unavailable:
            await asyncio.sleep(0.2)
