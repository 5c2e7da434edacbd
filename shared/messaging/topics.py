"""The declared list of topics (D13). Nothing else creates one, and no broker does by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from struct import Struct
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from shared.errors import Unavailable
from shared.identifiers import DEPARTMENT, CaseId
from shared.messaging.access import client_options
from shared.messaging.stopping import started

CASE_EVENTS: Final = "case-events"
DEPARTMENT_EVENTS: Final = "department-events"
_SET_UP_WAIT_S: Final = 60.0
_COPIES: Final = 3
_WORDS: Final = Struct("<9I")
"""A case id as text is 36 bytes."""
_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that the system owns. The number of partitions can never change: the key's hash
    would move cases to other partitions."""

    name: str
    partitions: int


TOPICS: Final = (Topic(CASE_EVENTS, 12), Topic(DEPARTMENT_EVENTS, 1))
_BY_NAME: Final = {topic.name: topic for topic in TOPICS}

SETTINGS: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
}


def place_of(case_id: CaseId) -> tuple[str, int]:
    """Where a case's facts lie: by the hash that every Kafka client takes of the key."""
    if case_id == DEPARTMENT:
        return DEPARTMENT_EVENTS, 0
    hashed = _murmur2(_WORDS.unpack(str(case_id).encode())) & 0x7FFFFFFF
    return CASE_EVENTS, hashed % _BY_NAME[CASE_EVENTS].partitions


def _murmur2(words: Iterable[int]) -> int:
    """The hash that Kafka takes of a key of so many whole words, as every key of ours is.

    The client library's own goes byte by byte, which is three times the work.
    """
    hashed = _SEED ^ _WORDS.size
    for word in words:
        mixed = word * _M & _32_BITS
        hashed = hashed * _M & _32_BITS ^ (mixed ^ mixed >> 24) * _M & _32_BITS
    hashed = (hashed ^ hashed >> 13) * _M & _32_BITS
    return hashed ^ hashed >> 15


def partitions_of(topic: str) -> range:
    """The partitions of a declared topic."""
    return range(_BY_NAME[topic].partitions)


async def create_topics(bootstrap: str) -> list[str]:
    """Create what is missing and wait until every partition has a leader; names what was created.

    With three brokers or more each partition has three copies, and two must have a record before
    it is acknowledged. Raises Unavailable when that takes over a minute.
    """
    try:
        async with _admin(bootstrap) as admin:
            created = await _create_missing(admin)
            while not await _all_led(admin):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
            return created
    except (TimeoutError, KafkaError) as error:
        raise Unavailable(f"topics could not be set up: {type(error).__name__}") from error


async def missing_topics(bootstrap: str) -> list[str]:
    """The declared topics that are not there. Raises Unavailable."""
    try:
        async with _admin(bootstrap) as admin:
            existing = set(await admin.list_topics())
    except (TimeoutError, KafkaError) as error:
        raise Unavailable(f"topics cannot be listed: {type(error).__name__}") from error
    return [topic.name for topic in TOPICS if topic.name not in existing]


async def delete_topics(bootstrap: str, names: list[str]) -> None:
    """Delete topics and wait until they are gone. For `log republish` and its tests only."""
    async with _admin(bootstrap) as admin:
        await admin.delete_topics(names)
        while set(names) & set(await admin.list_topics()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for a minute. Raises KafkaError or TimeoutError."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap))
    try:
        async with asyncio.timeout(_SET_UP_WAIT_S):
            await started(admin.start(), "admin's start")
            yield admin
    finally:
        await admin.close()


async def _create_missing(admin: AIOKafkaAdminClient) -> list[str]:
    brokers = len((await admin.describe_cluster())["brokers"])
    copies = _COPIES if brokers >= _COPIES else 1
    existing = set(await admin.list_topics())
    created = []
    for topic in TOPICS:
        if topic.name in existing:
            continue
        settings = {**SETTINGS, "min.insync.replicas": str(max(1, copies - 1))}
        wanted = NewTopic(topic.name, topic.partitions, copies, topic_configs=settings)
        try:
            await admin.create_topics([wanted])
        except TopicAlreadyExistsError:
            continue  # another process of the same start was faster
        created.append(topic.name)
    return created


async def _all_led(admin: AIOKafkaAdminClient) -> bool:
    described = await admin.describe_topics([topic.name for topic in TOPICS])
    led = {
        topic["topic"]: sum(1 for part in topic["partitions"] if part["leader"] >= 0)
        for topic in described
        if topic["error_code"] == 0
    }
    return all(led.get(topic.name) == topic.partitions for topic in TOPICS)
