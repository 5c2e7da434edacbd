"""The consumer (D5, D7): replicas share the partitions; what stops one, and what must not."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from deploy.local.broker import LocalBroker
from shared.identifiers import Source
from shared.journal import consumer as consumer_module
from shared.journal.consumer import Consumer, Membership
from shared.messaging.topics import TOPICS
from shared.postgres.pool import Connection
from tests.facts import CaseFacts
from tests.running import Running, until
from tests.stages import Site, registered_case, with_staff

ASSIGNED = ["executor-assigned"]
PARTITIONS = sum(topic.partitions for topic in TOPICS)


@asynccontextmanager
async def reading(
    stage: Running, group: str, replica: str = "1", *, parked_max: int = 100
) -> AsyncIterator[Consumer]:
    """A consumer of this stage that runs."""
    membership = Membership(group, replica, parked_max=parked_max)
    consumer = Consumer(stage.stage, stage.inbox, stage.bootstrap, membership)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@pytest.fixture
def group() -> str:
    """A consumer group of this test alone."""
    return f"test-{secrets.token_hex(4)}"


async def cases_told(site: Site, count: int) -> list[CaseFacts]:
    cases = [registered_case() for _ in range(count)]
    await site.tell([each for case in cases for each in case.written])
    return cases


async def all_assigned(
    stage: Running, cases: Sequence[CaseFacts], eyes: Connection | None = None
) -> None:
    """Until each of these has exactly one executor, as this connection sees it."""
    wanted = [case.case_id for case in cases]
    seen = eyes or stage.pool

    async def done() -> bool:
        count: int = await seen.fetchval(
            "SELECT count(DISTINCT case_id) FROM journal WHERE case_id = ANY($1)", wanted
        )
        return count == len(wanted)

    await until(done, f"{len(wanted)} cases assigned")
    rows = await seen.fetch("SELECT case_id FROM journal WHERE case_id = ANY($1)", wanted)
    assert len(rows) == len(wanted), "no case was assigned twice"


async def halted(consumer: Consumer) -> str:
    """Why a consumer stopped reading, as soon as it has."""

    async def stopped() -> bool:
        return consumer.halted is not None

    await until(stopped, "the consumer says why it stopped")
    assert consumer.halted is not None
    return consumer.halted


async def test_what_is_told_is_read_and_a_restart_reads_on(
    site: Site, routing: Running, group: str
) -> None:
    async with reading(routing, group) as consumer:
        await all_assigned(routing, await cases_told(site, 20))
        assert consumer.halted is None
        assert consumer.alive
    cases = await cases_told(site, 20)
    async with reading(routing, group):
        await all_assigned(routing, cases)
    assert await routing.pool.fetchval("SELECT count(*) FROM parked") == 0


async def test_two_replicas_share_the_partitions_and_one_takes_over_all(
    site: Site, routing: Running, group: str
) -> None:
    other = await site.start(Source.ROUTING)
    async with reading(routing, group, "1") as first:
        async with reading(other, group, "2") as second:
            await until(lambda: _share(first, second), "each has some of the partitions")
            await all_assigned(routing, await cases_told(site, 60))
            under_way = await cases_told(site, 60)
        await all_assigned(routing, under_way)
        await all_assigned(routing, await cases_told(site, 30))
        assert len(first._reader.assignment()) == PARTITIONS
        assert first.halted is None
    assert await routing.pool.fetchval("SELECT count(*) FROM parked") == 0


async def _share(first: Consumer, second: Consumer) -> bool:
    mine, yours = first._reader.assignment(), second._reader.assignment()
    return bool(mine and yours) and not mine & yours and len(mine | yours) == PARTITIONS


async def test_a_database_set_back_is_read_from_where_it_stands(
    site: Site, routing: Running, group: str
) -> None:
    async with reading(routing, group):
        cases = await cases_told(site, 30)
        await all_assigned(routing, cases)
        await routing.pool.execute(
            "UPDATE offsets SET next = next - 1, last_event_id = NULL"
            " WHERE topic = 'case-events' AND last_event_id IS NOT NULL"
        )
        more = await cases_told(site, 60)
        await all_assigned(routing, more)
    assert await routing.pool.fetchval("SELECT count(*) FROM parked") == 0


async def test_a_passing_fault_of_the_database_is_waited_out(
    site: Site, routing: Running, group: str
) -> None:
    # One connection is spared: the test looks through it, and must not meet the fault itself.
    async with routing.pool.acquire() as eyes, reading(routing, group) as consumer:
        for _ in range(4):
            cases = await cases_told(site, 40)
            await eyes.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND application_name = 'routing'"
            )
            await all_assigned(routing, cases, eyes)
        assert consumer.halted is None


async def test_too_many_cases_set_aside_stop_the_reading(
    site: Site, routing: Running, group: str
) -> None:
    bad = [CaseFacts().registered().but(value=b"{}") for _ in range(6)]
    async with reading(routing, group, parked_max=3) as consumer:
        await site.tell(bad)
        assert (await halted(consumer)).startswith("too many cases were set aside in a minute")
        cases = await cases_told(site, 12)
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 15
    async with reading(routing, group, parked_max=3):
        await all_assigned(routing, cases)


async def test_records_behind_one_bad_record_stop_nothing(
    site: Site, routing: Running, group: str
) -> None:
    case = CaseFacts()
    records = [case.lodged(), case.registered().but(value=b"{}")]
    records += [case.withdrawal_requested() for _ in range(20)]
    async with reading(routing, group, parked_max=3) as consumer:
        await site.tell(records)
        await all_assigned(routing, await cases_told(site, 5))
        await until(lambda: _aside(routing, case, 21), "all stand aside")
        assert consumer.halted is None


async def _aside(stage: Running, case: CaseFacts, count: int) -> bool:
    return len(await stage.aside(case.case_id)) == count


async def test_a_fact_of_ours_that_we_do_not_know_stops_the_reading(
    site: Site, routing: Running, group: str
) -> None:
    case = CaseFacts()
    case.lodged()
    case.registered()
    case.assigned()
    async with reading(routing, group) as consumer:
        await site.tell(case.written)
        why = await halted(consumer)
        assert why.startswith("a fact of ours that our journal lacks: routing")
        assert why.endswith("restart")
    again = await site.start(Source.ROUTING)
    async with reading(again, group) as consumer:
        await all_assigned(again, [case, *await cases_told(site, 5)])
        assert consumer.halted is None


async def test_another_log_is_not_read(
    site: Site, routing: Running, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "_RECHECK_S", 0.2)
    await cases_told(site, 12)
    await routing.read()
    move = "UPDATE offsets SET next = next {} 1000 WHERE topic = 'case-events' AND partition = 3"
    await routing.pool.execute(move.format("+"))
    membership = Membership(group, "1")
    consumer = Consumer(routing.stage, routing.inbox, routing.bootstrap, membership)
    starting = asyncio.create_task(consumer.start())
    try:
        assert "older than this database (qyzmet log repair)" in await halted(consumer)
        cases = await cases_told(site, 24)
        await routing.pool.execute(move.format("-"))
        await all_assigned(routing, cases)
        assert consumer.halted is None
    finally:
        await starting
        await consumer.stop()


async def test_a_broker_that_is_killed_and_comes_back_is_read_on(
    mortal_site: Site, mortal: LocalBroker, group: str
) -> None:
    routing = await with_staff(mortal_site, Source.ROUTING)
    async with reading(routing, group) as consumer:
        await all_assigned(routing, await cases_told(mortal_site, 10))
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        await asyncio.to_thread(mortal.wait_ready)
        await all_assigned(routing, await cases_told(mortal_site, 30))
        assert consumer.halted is None


async def test_a_consumer_waits_for_a_broker_that_is_not_there_yet(
    mortal_site: Site, mortal: LocalBroker, group: str
) -> None:
    routing = await with_staff(mortal_site, Source.ROUTING)
    cases = await cases_told(mortal_site, 10)
    await asyncio.to_thread(mortal.kill)
    membership = Membership(group, "1")
    consumer = Consumer(routing.stage, routing.inbox, routing.bootstrap, membership)
    starting = asyncio.create_task(consumer.start())
    try:
        await asyncio.to_thread(mortal.start)
        await asyncio.to_thread(mortal.wait_ready)
        await all_assigned(routing, cases)
    finally:
        await starting
        await consumer.stop()
