"""One leader sends (D3): who leads, who takes over, and what a failing broker costs."""

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.broker import LocalBroker
from shared.errors import Unavailable
from shared.identifiers import Source, Step
from shared.journal import relay as relay_module
from shared.journal.relay import Relay
from shared.journal.rows import lock_class
from shared.journal.sending import send_round
from shared.messaging.topics import CASE_EVENTS, create_topics
from tests.any_client import assert_in_order, read_log
from tests.running import TOPIC_NAMES, Running, until
from tests.stages import Site, people, with_staff

CANARY_IIN = "900000007919"
CANARY_NAME = "Кәусар-Канарейка"
CANARY_TEXT = "moving to Canary Street 17"


# ---- more than one leader, or none --------------------------------------------------------------


async def test_two_leaders_at_once_make_only_duplicates(site: Site) -> None:
    intake = await with_staff(site, Source.INTAKE, publish_wait_s=0.01)
    await intake.desk.perform_all(await site.applications(people(400), by_rule=(Step.REGISTER,)))
    second = Relay(site.url, site.schema(Source.INTAKE), site.bootstrap)
    second._lock = (lock_class("another relay"), 1)
    other = asyncio.create_task(second.run())
    await intake.sent()
    await until(lambda: _leads(second), "the second one leads, too")
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    told = read_log(site)
    assert len({(record.key, record.sequence) for record in told}) == 800
    assert_in_order(told)
    await intake.read()
    assert await intake.pool.fetchval("SELECT count(*) FROM parked") == 0
    rows = await intake.pool.fetch('SELECT partition, "offset" FROM published')
    assert {(row["partition"], row["offset"]) for row in rows} <= {
        (record.partition, record.offset) for record in told
    }


async def _leads(relay: Relay) -> bool:
    return relay.leads


async def test_a_replica_that_does_not_lead_is_told_of_what_the_leader_sent(
    site: Site, intake: Running
) -> None:
    await intake.sent()
    other = await site.start(Source.INTAKE)
    other.send()
    wishes = await site.applications(people(5))
    answers = await asyncio.gather(*(other.desk.perform(wish) for wish in wishes))
    assert not other.relay.leads
    assert all(answer.position is not None for answer in answers)
    assert {answer.position for answer in answers} == {each.place for each in read_log(site)}


async def test_when_the_leader_ends_the_other_replica_sends(site: Site, intake: Running) -> None:
    await intake.sent()
    other = await site.start(Source.INTAKE)
    other.send()
    await intake.stop_sending()
    answer = await other.desk.perform(await site.application())
    assert answer.position is not None
    assert other.relay.leads


async def test_a_leader_that_is_stuck_is_evicted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_STALE_S", 0.5)
    intake = await with_staff(site, Source.INTAKE)
    stuck = await asyncpg.connect(site.url)
    try:
        lock = intake.relay._lock
        assert await stuck.fetchval("SELECT pg_try_advisory_lock($1, $2)", *lock)
        intake.send()
        answer = await intake.desk.perform(await site.application())
        assert answer.position is not None
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await stuck.fetchval("SELECT 1")
    finally:
        stuck.terminate()


async def test_a_leader_with_nothing_to_send_is_left_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_STALE_S", 0.2)
    intake = await with_staff(site, Source.INTAKE)
    idle = await asyncpg.connect(site.url)
    try:
        assert await idle.fetchval("SELECT pg_try_advisory_lock($1, $2)", *intake.relay._lock)
        intake.send()
        watched = asyncio.get_running_loop().time()

        async def long_enough() -> bool:
            return asyncio.get_running_loop().time() - watched > 1.5

        await until(long_enough, "it had time to evict")
        assert await idle.fetchval("SELECT 1") == 1
        assert not intake.relay.leads
    finally:
        await idle.close()
        await intake.sent()


# ---- a broker that fails ------------------------------------------------------------------------


class _VagueProducer(AIOKafkaProducer):  # type: ignore[misc]
    """Answers as aiokafka does when a retry is found to be a duplicate: offset unknown."""

    async def send_batch(self, *_args: object, **_named: object) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(TopicPlace(CASE_EVENTS, 0, -1))
        return future


@dataclass(frozen=True)
class TopicPlace:
    """What a producer answers."""

    topic: str
    partition: int
    offset: int


async def test_an_unknown_offset_is_never_stored(site: Site) -> None:
    intake = await with_staff(site, Source.INTAKE, publish_wait_s=0.01)
    await intake.desk.perform(await site.application())
    rows = await intake.pool.fetch(relay_module._NEXT, 10)
    vague = _VagueProducer()
    with pytest.raises(Unavailable, match="without telling the offset"):
        await send_round(vague, rows)
    await vague.stop()
    with pytest.raises(asyncpg.CheckViolationError):
        await intake.pool.execute(relay_module._MOVE, [rows[0]["position"]], [0], [-1])


async def test_a_broker_killed_while_it_is_sent_to_loses_nothing(
    mortal_site: Site, mortal: LocalBroker
) -> None:
    site = mortal_site
    intake = await with_staff(site, Source.INTAKE, publish_wait_s=0.01)
    intake.send()
    wishes = await site.applications(people(1500), by_rule=(Step.REGISTER,))
    for start in range(0, 1500, 100):
        await intake.desk.perform_all(wishes[start : start + 100])
        if start == 700:
            await asyncio.to_thread(mortal.kill)
            intake.desk._backlog_limit_s = 600
    assert await intake.pool.fetchval("SELECT count(*) FROM outbox") > 0
    await asyncio.to_thread(mortal.start)
    await asyncio.to_thread(mortal.wait_ready)
    await intake.sent()
    told = read_log(site)
    assert len({(record.key, record.sequence) for record in told}) == 3000
    assert_in_order(told)
    await intake.read()
    assert await intake.pool.fetchval("SELECT count(*) FROM parked") == 0
    assert await intake.pool.fetchval("SELECT count(*) FROM published") == 3000


async def test_topics_are_as_declared(mortal_site: Site) -> None:
    assert await create_topics(mortal_site.bootstrap) == []
    assert {topic for topic, _ in mortal_site.floor} == set(TOPIC_NAMES)
    assert sum(1 for topic, _ in mortal_site.floor if topic == CASE_EVENTS) == 12
