"""What a command waits for, and what is said while a dependency is down (D2, D15)."""

import asyncio
import time

import pytest

from deploy.local.ports import free_ports
from services.routing.commands import AssignExecutor
from shared.errors import Unavailable
from shared.identifiers import Source
from shared.journal.desk import Desk, Wish
from shared.journal.work import Origin
from tests.facts import CaseFacts
from tests.running import Running, until
from tests.stages import Site, keyed, people, rows_in, staff

AIGUL = "staff:aigul"


@pytest.fixture
async def routing(routing: Running) -> Running:
    """It also sends what it tells."""
    routing.send()
    return routing


# ---- reading and publication --------------------------------------------------------------------


async def test_a_command_waits_for_the_position_that_it_was_told(
    site: Site, routing: Running
) -> None:
    case = CaseFacts()
    case.lodged()
    case.registered()
    place = (await site.tell(case.written))[-1]
    assign = Wish(
        AssignExecutor(case_id=case.case_id, actor="staff:head", executor="bolat"), Origin()
    )
    started = time.monotonic()
    with pytest.raises(Unavailable, match="has not been read here yet"):
        await routing.desk.perform(assign, place)
    assert 1.9 < time.monotonic() - started < 4
    assert await routing.events(case.case_id) == []
    waiting = asyncio.create_task(routing.desk.perform(assign, place))
    await routing.read()
    assert (await waiting).events == 1


async def test_while_publication_is_down_answers_are_202_then_503(site: Site) -> None:
    await site.tell(staff())
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    intake = await site.start(Source.INTAKE, kafka=nowhere)
    await intake.read()
    intake.send()
    desk = Desk(
        intake.stage, intake.relay, publish_wait_s=0.2, backlog_limit_s=0.6, read_wait_s=2.0
    )
    wish = keyed(await site.application(people(1)[0]))
    pending = await desk.perform(wish)
    assert (pending.position, pending.sequence) == (None, 1)
    assert await rows_in(intake, "outbox") == 1

    async def behind() -> bool:
        return intake.relay.backlog_age_s() > 0.6

    await until(behind, "the relay knows that it is behind")
    other = await site.application(people(2)[1])
    with pytest.raises(Unavailable) as unavailable:
        await desk.perform(other)
    assert unavailable.value.retry_after_s >= 1
    assert await rows_in(intake) == 1
    await site.stop()

    again = await site.start(Source.INTAKE)
    await again.sent()
    final = await again.desk.perform(wish)
    assert (final.case_id, final.sequence, final.repeated) == (pending.case_id, 1, True)
    assert final.position is not None
    assert (await again.desk.perform(other)).events == 1


async def test_a_slow_waiter_does_not_take_the_answer_from_a_patient_one(
    site: Site, intake: Running
) -> None:
    await intake.sent()
    await intake.stop_sending()
    wish = keyed(await site.application(people(1)[0]))
    hasty = Desk(
        intake.stage, intake.relay, publish_wait_s=0.1, backlog_limit_s=60, read_wait_s=2.0
    )
    patient = asyncio.create_task(intake.desk.perform(wish))
    await until(lambda: _recorded(intake), "it is recorded")
    assert (await hasty.perform(wish)).position is None
    assert not patient.done()
    intake.send()
    assert (await patient).position is not None


async def _recorded(stage: Running) -> bool:
    return await rows_in(stage) == 1


async def test_a_database_that_is_gone_is_unavailable(site: Site, intake: Running) -> None:
    wish = await site.application(people(1)[0])
    await intake.desk.perform(await site.application(people(2)[1]))
    before = await rows_in(intake)
    async with intake.pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE")
        doomed = asyncio.create_task(intake.desk.perform(wish))

        async def ended() -> bool:
            rows = await intake.pool.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO journal%'"
            )
            return bool(rows)

        await until(ended, "the command waits for the journal")
        with pytest.raises(Unavailable):
            await doomed
    assert await rows_in(intake) == before
    assert (await intake.desk.perform(wish)).events == 1
