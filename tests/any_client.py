"""The log as any Kafka client sees it: read with librdkafka, which shares no code with ours."""

from dataclasses import dataclass

from confluent_kafka import Consumer, Message, TopicPartition

from shared.identifiers import CaseId
from shared.messaging.topics import CASE_EVENTS
from tests.stages import Site


@dataclass(frozen=True)
class Told:
    """A record of the log, as any Kafka client sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: dict[str, bytes]
    value: bytes

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def sequence(self) -> int:
        return int(self.headers["ce_sequence"])


def read_log(site: Site, topic: str = CASE_EVENTS) -> list[Told]:
    """All records since the site began, with librdkafka, which shares no code with ours."""
    consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "any-client"})
    found: list[Told] = []
    try:
        starts = [
            TopicPartition(*at, offset) for at, offset in site.floor.items() if at[0] == topic
        ]
        ends = [consumer.get_watermark_offsets(place, timeout=20)[1] for place in starts]
        expected = sum(end - place.offset for place, end in zip(starts, ends, strict=True))
        consumer.assign(starts)
        while len(found) < expected:
            messages = consumer.consume(min(1000, expected - len(found)), timeout=20)
            assert messages, f"{expected} records, and only {len(found)} come"
            found += map(_told, messages)
    finally:
        consumer.close()
    return found


def _told(message: Message) -> Told:
    assert message.error() is None
    key, headers, value = message.key(), message.headers(), message.value()
    assert isinstance(key, bytes)
    assert isinstance(headers, list)
    assert isinstance(value, bytes)
    texts = {name: text for name, text in headers if isinstance(text, bytes)}
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Told(topic, partition, offset, key, texts, value)


def of_case(told: list[Told], case_id: CaseId) -> list[Told]:
    return [record for record in told if record.key == str(case_id).encode()]


def assert_in_order(told: list[Told]) -> None:
    """Per case no sequence comes before the one below it has come, and a place has one event."""
    last: dict[bytes, int] = {}
    events: dict[tuple[bytes, int], bytes] = {}
    for record in told:
        place = (record.key, record.sequence)
        assert events.setdefault(place, record.headers["ce_id"]) == record.headers["ce_id"]
        assert record.sequence <= last.get(record.key, 0) + 1
        last[record.key] = max(record.sequence, last.get(record.key, 0))
