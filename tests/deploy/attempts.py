"""Everything that one can try to do to a broker, really tried, and what the broker says.

An attempt counts as refused only if the broker says that it is not authorized. Whatever else goes
wrong fails the test that tries.
"""

import asyncio
import contextlib
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.privileges.acls import ANYTHING

WAIT_S = 20.0
NOT_AUTHORIZED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
}
# Nothing is changed by an attempt that only asks whether it would be right, and these say that it
# was authorized to ask.
ONLY_WRONG = {
    KafkaError.TOPIC_ALREADY_EXISTS,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.GROUP_ID_NOT_FOUND,
}
COMES_INTO_BEING = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
Options = Mapping[str, str | int | float | bool]


def is_allowed(attempt: Callable[[], object]) -> bool:
    """Try it. Raises whatever is neither leave nor a refusal."""
    try:
        attempt()
    except KafkaException as fault:
        code = fault.args[0].code()
        if code in NOT_AUTHORIZED:
            return False
        if code in ONLY_WRONG:
            return True
        raise
    return True


def on_topic(options: Options, topic: str) -> dict[str, Callable[[], object]]:
    """By operation. The topic has a record in its first partition."""
    admin = AdminClient(dict(options))
    change = ConfigEntry(
        "max.message.bytes", "1048588", incremental_operation=AlterConfigOpType.SET
    )
    altered = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    return {
        "READ": lambda: read(options, topic),
        "WRITE": lambda: write(options, topic),
        "CREATE": lambda: done(
            admin.create_topics([NewTopic(topic, 1, 1)], validate_only=True), topic
        ),
        "ALTER": lambda: done(
            admin.create_partitions([NewPartitions(topic, 1)], validate_only=True), topic
        ),
        "DESCRIBE": lambda: described(admin, topic),
        "DESCRIBE_CONFIGS": lambda: done(
            admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
        ),
        "ALTER_CONFIGS": lambda: done(
            admin.incremental_alter_configs([altered], validate_only=True)
        ),
    }


def on_group(options: Options, group: str, topic: str) -> dict[str, Callable[[], object]]:
    """By operation: what a member does, and what an administrator does to the group."""
    admin = AdminClient(dict(options))
    return {
        "READ": lambda: committed(admin, group, topic),
        "DESCRIBE": lambda: done(
            admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        ),
        "DELETE": lambda: done(admin.delete_consumer_groups([group])),
    }


def on_cluster(options: Options) -> dict[str, Callable[[], object]]:
    """What only the set-up may do."""
    admin = AdminClient(dict(options))
    upsertion = UserScramCredentialUpsertion(
        "intruder", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"intruder"
    )
    mine = (ResourceType.TOPIC, "case-events", ResourcePatternType.LITERAL, "User:intruder", "*")
    all_of_it = (*mine, AclOperation.ALL, AclPermissionType.ALLOW)
    return {
        "CREATE": lambda: done(
            admin.create_topics([NewTopic(f"new-{uuid.uuid4()}", 1, 1)], validate_only=True)
        ),
        "ALTER": lambda: done(admin.create_acls([AclBinding(*all_of_it)])),
        "ALTER users": lambda: done(admin.alter_user_scram_credentials([upsertion])),
        "DESCRIBE": lambda: listed(admin),
        "TRANSACTIONS": lambda: begun(options),
    }


def read(options: Options, topic: str) -> None:
    """Fetch from the first partition, in no group: a plain request, the broker's plain answer."""
    code = asyncio.run(_fetched(options, topic))
    if code:
        raise KafkaException(KafkaError(code))


async def _fetched(options: Options, topic: str) -> int:
    """The error code of the partition."""
    client = AIOKafkaClient(
        bootstrap_servers=options["bootstrap.servers"],
        security_protocol="SASL_SSL",
        ssl_context=ssl.create_default_context(cafile=str(options["ssl.ca.location"])),
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=options["sasl.username"],
        sasl_plain_password=options["sasl.password"],
    )
    async with asyncio.timeout(WAIT_S):
        await client.bootstrap()
        try:
            (broker,) = client.cluster.brokers()
            request = FetchRequest(500, 1, 1_000_000, 0, [(topic, [(0, 0, 1_000_000)])])
            answer = await client.send(broker.nodeId, request)
        finally:
            await client.close()
    ((_, ((_, code, *_),)),) = answer.topics
    return int(code)


def write(options: Options, topic: str) -> None:
    """Send one record, as our relays do: idempotently."""
    fatal: list[KafkaError] = []
    told: list[KafkaError | None] = []
    producer = Producer(
        {**options, "enable.idempotence": True, "error_cb": fatal.append, "linger.ms": 0}
    )
    producer.produce(topic, b"{}", partition=0, on_delivery=lambda error, _: told.append(error))
    for _ in range(int(WAIT_S * 10)):
        producer.poll(0.1)
        refused = [error for error in fatal if error.code() in NOT_AUTHORIZED]
        if told or refused:
            break
    else:
        raise AssertionError(f"{topic}: neither written nor refused: {fatal}")
    producer.purge()
    producer.flush(1.0)
    error = told[0] if told and told[0] and told[0].code() in NOT_AUTHORIZED else None
    if error or refused:
        raise KafkaException(error or refused[0])
    if told[0] is not None:
        raise KafkaException(told[0])


def committed(admin: AdminClient, group: str, topic: str) -> None:
    """Say of a group how far it has read, as its members do."""
    place = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 0)])
    for _ in range(int(WAIT_S * 10)):
        answered = admin.alter_consumer_group_offsets([place])[group].result(WAIT_S)
        errors = [part.error for part in answered.topic_partitions if part.error is not None]
        if not errors:
            return
        if errors[0].code() not in COMES_INTO_BEING:
            raise KafkaException(errors[0])
        time.sleep(0.1)
    raise AssertionError(f"{group} has no coordinator")


def listed(admin: AdminClient) -> None:
    """Ask for the access lists. This client hides the refusal and shows an empty list instead,
    which it never is: the lists of the table stand in it."""
    if not admin.describe_acls(ANYTHING).result(WAIT_S):
        raise KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED))


def begun(options: Options) -> None:
    """Claim a transactional id."""
    Producer({**options, "transactional.id": f"tx-{uuid.uuid4()}"}).init_transactions(WAIT_S)


def described(admin: AdminClient, topic: str) -> None:
    """Ask for one topic by name; not to be told that it is there is a refusal, too."""
    error = admin.list_topics(topic, timeout=WAIT_S).topics[topic].error
    if error is not None:
        raise KafkaException(error)


def done(answers: Mapping[Any, Future[Any]], key: object = None) -> None:
    """Wait for what an administrator asked. Raises KafkaException."""
    for name, answer in answers.items():
        if key is None or name == key:
            answer.result(WAIT_S)


def deleted(options: Options, topics: Sequence[str]) -> set[str]:
    """Which of them it may delete; they are gone now."""
    admin = AdminClient(dict(options))
    answers = admin.delete_topics(list(topics))
    return {
        topic for topic, answer in answers.items() if is_allowed(partial(answer.result, WAIT_S))
    }


def can_enter(options: Options) -> bool:
    """Does the broker talk to such a one at all?"""
    with contextlib.suppress(KafkaException):
        return bool(AdminClient(dict(options)).list_topics(timeout=3.0).brokers)
    return False
