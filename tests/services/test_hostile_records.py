"""Records of a hostile size in the topic: the case is set aside, the rest of the log flows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from deploy.local.broker import LocalBroker
from shared.identifiers import Source, Step
from shared.messaging.topics import CASE_EVENTS
from tests.facts import CaseFacts, Written
from tests.readside import ReadSide, read_side
from tests.stages import Site, staff

FIVE_MEGABYTES = 5 * 1024 * 1024


@pytest.fixture
async def side(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    """Casebook's fold on a database of its own."""
    async with read_side(broker.bootstrap, database) as found:
        yield found


def registered_case() -> CaseFacts:
    """A case that routing assigns by itself as soon as it has read both facts."""
    case = CaseFacts(by_rule=(Step.ASSIGN,))
    case.lodged()
    case.registered()
    return case


def huge(record: Written) -> Written:
    """The same record with five megabytes of something in it."""
    assert record.value is not None
    filling = b'{"filling":"' + b"x" * FIVE_MEGABYTES + b'",' + record.value[1:]
    return replace(record, value=filling)


async def put(bootstrap: str, record: Written) -> tuple[int, int]:
    """Send one record as a client would that knows no limits of ours."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * FIVE_MEGABYTES)
    await producer.start()
    try:
        sent = await producer.send_and_wait(
            record.topic, key=record.key, value=record.value, headers=record.headers
        )
        return sent.partition, sent.offset
    finally:
        await producer.stop()


@asynccontextmanager
async def without_the_limit(bootstrap: str) -> AsyncIterator[None]:
    """As if an administrator had let records of any size into the topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([_limit(2 * FIVE_MEGABYTES)])
        yield
        await admin.alter_configs([_limit(1_048_588)])
    finally:
        await admin.close()


def _limit(bytes_max: int) -> ConfigResource:
    configs = {"max.message.bytes": str(bytes_max)}
    return ConfigResource(ConfigResourceType.TOPIC, CASE_EVENTS, configs)


async def test_the_log_does_not_take_a_record_of_five_megabytes(site: Site) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await put(site.bootstrap, huge(registered_case().written[1]))


async def test_a_record_of_five_megabytes_sets_its_case_aside_and_no_other(
    site: Site, side: ReadSide
) -> None:
    await site.tell(staff())
    routing = await site.start(Source.ROUTING)
    await routing.read()
    case, before, after = registered_case(), registered_case(), registered_case()
    lodged, registered = case.written
    async with side.folding():
        await side.tell(*before.written, lodged)
        async with without_the_limit(site.bootstrap):
            position = await put(site.bootstrap, huge(registered))
            await side.caught_up([registered], [position])
            await side.tell(*after.written)
            await routing.read()
    assert await routing.parked(case.case_id) == "ApplicationRegistered: an unknown field"
    assert await routing.events(case.case_id) == []
    for other in (before, after):
        assert await routing.events(other.case_id) == ["executor-assigned"]
        state = "SELECT state FROM status WHERE case_id = $1"
        assert await side.pool.fetchval(state, other.case_id) == "registered"
    reason = await side.pool.fetchval("SELECT reason FROM parked WHERE case_id = $1", case.case_id)
    assert reason == "malformed: ApplicationRegistered: an unknown field"
