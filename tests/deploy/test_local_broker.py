"""Kafka from its jars: what was acknowledged is there after a crash, for any client."""

import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports

WITHIN_S = 20.0


@pytest.fixture
def own(session_folder: Path) -> Iterator[LocalBroker]:
    """A broker of this test's own, to be killed."""
    port, controller_port = free_ports(2)
    folder = Path(tempfile.mkdtemp(dir=session_folder))
    server = LocalBroker(folder / "kafka", port, controller_port)
    server.start()
    server.wait_ready()
    yield server
    server.stop()


def create_topic(broker: LocalBroker) -> str:
    name = f"topic-{secrets.token_hex(4)}"
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    client.create_topics([NewTopic(name, 1, 1)])[name].result(timeout=WITHIN_S)
    return name


def say(broker: LocalBroker, topic: str, fact: bytes) -> None:
    """Send and see it acknowledged."""
    faults: list[object] = []
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all"})
    producer.produce(topic, fact, on_delivery=lambda fault, _: faults.append(fault))
    assert producer.flush(WITHIN_S) == 0
    assert faults == [None]


def first_fact(broker: LocalBroker, topic: str) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": secrets.token_hex(4),
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([topic])
        deadline = time.monotonic() + WITHIN_S
        message: Message | None = None
        while message is None and time.monotonic() < deadline:
            message = consumer.poll(0.2)
        assert message is not None
        assert message.error() is None
        return message.value()
    finally:
        consumer.close()


def test_what_was_acknowledged_is_there_after_a_kill(own: LocalBroker) -> None:
    topic = create_topic(own)
    say(own, topic, b"said")
    own.kill()
    assert not own.alive
    own.start()
    own.wait_ready()
    assert first_fact(own, topic) == b"said"


def test_a_frozen_broker_is_not_ready_and_comes_back(broker: LocalBroker) -> None:
    broker.freeze()
    try:
        assert broker.alive
        assert not broker.is_ready()
    finally:
        broker.thaw()
    broker.wait_ready()
    assert broker.is_ready()


def test_a_topic_nobody_declared_does_not_appear(broker: LocalBroker) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.timeout.ms": 1500})
    faults: list[object] = []
    producer.produce("mistyped", b"lost", on_delivery=lambda fault, _: faults.append(fault))
    producer.flush(WITHIN_S)
    assert len(faults) == 1
    assert faults[0] is not None
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    assert "mistyped" not in client.list_topics(timeout=WITHIN_S).topics
