"""Errands (D21): a call to the outside is made until it is known how it ended, and told once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from deploy.local.ports import free_ports
from deploy.simulators.gateway import GatewaySettings, make_app
from services.notify.gateways import carry_out
from shared.decider import Command, Errand
from shared.events.intake import Applicant
from shared.identifiers import Source, Step
from shared.journal.consumer import Consumer, Membership
from shared.journal.errands import ATTEMPTS_MAX, Errands
from shared.journal.service import Shell
from shared.settings import ServiceSettings
from tests.facts import CaseFacts
from tests.running import Running, until
from tests.stages import Site, staff

PERSON = Applicant(iin="880101300017", surname="C", given_name="P", phone="+77010001917")
ISSUED, SENT, FAILED = "result-issued", "notice-sent", "notice-failed"


@asynccontextmanager
async def gateway(fails_every: int = 0) -> AsyncIterator[str]:
    """The stand-in of the message gateway, over real HTTP."""
    port = free_ports(1)[0]
    settings = GatewaySettings(port=port, gateway_fails_every=fails_every)
    server = uvicorn.Server(
        uvicorn.Config(make_app(settings), host="127.0.0.1", port=port, log_config=None)
    )
    serving = asyncio.create_task(server.serve())

    async def is_up() -> bool:
        return server.started

    await until(is_up, "the gateway listens")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


async def taken(url: str) -> dict[str, int]:
    """How often the gateway was asked for each message."""
    async with httpx.AsyncClient() as client:
        found: dict[str, int] = (await client.get(f"{url}/messages")).json()
    return found


@asynccontextmanager
async def worker_at(notify: Running, url: str | None) -> AsyncIterator[Errands]:
    """A worker that carries out notify's errands at this gateway."""
    settings = ServiceSettings(
        database_url=SecretStr("postgresql://unused"),
        privacy_url=SecretStr("postgresql://unused"),
        kafka=notify.bootstrap,
        port=1,
        gateway_url=url,
        master_key_file=Path("unused"),
        lookup_key_file=Path("unused"),
        token_keys=Path("unused"),
    )
    consumer = Consumer(notify.stage, notify.inbox, notify.bootstrap, Membership("unused", "1"))
    shell = Shell(
        settings,
        notify.stage,
        notify.relay,
        notify.desk,
        notify.inbox,
        consumer,
        notify.resolving,
    )
    async with carry_out(shell) as carry:
        yield Errands(notify.stage, notify.relay, carry)


@pytest.fixture
async def notify(site: Site) -> Running:
    """Notify, which knows the staff of one office."""
    await site.tell(staff())
    notify = await site.start(Source.NOTIFY)
    await notify.read()
    return notify


async def issued(site: Site, notify: Running) -> CaseFacts:
    """A case whose result has just gone out by rule, to somebody who asked to be told."""
    case = CaseFacts(by_rule=(Step.ISSUE,))
    case.key = (await site.vault.create_keys({case.case_id: case.applicant}))[case.case_id]
    lodged = case.lodged(PERSON)
    assert lodged.value is not None
    asked = lodged.value.replace(b'"lodged_at"', b'"notice":"sms","lodged_at"')
    case.written[0] = lodged.but(value=asked)
    for step in (case.registered, case.assigned, case.drafted, case.signed):
        step()
    await site.tell(case.written)
    await notify.read()
    assert await notify.events(case.case_id) == [ISSUED]
    return case


async def key_of(notify: Running, case: CaseFacts) -> str:
    found = await notify.pool.fetchval(
        "SELECT event_id FROM journal WHERE case_id = $1 AND sequence = 1", case.case_id
    )
    return str(found)


async def due_again(notify: Running) -> None:
    """As if the lease, or the pause before the next attempt, had run out."""
    await notify.pool.execute("UPDATE errands SET leased_until = NULL, next_at = now()")


async def left(notify: Running) -> int:
    count: int = await notify.pool.fetchval("SELECT count(*) FROM errands")
    return count


async def test_a_message_is_sent_once_and_told(site: Site, notify: Running) -> None:
    case = await issued(site, notify)
    async with gateway() as url, worker_at(notify, url) as errands:
        assert await errands.carry_out_due() == 1
        assert await errands.carry_out_due() == 0
        assert await taken(url) == {await key_of(notify, case): 1}
    assert await notify.events(case.case_id) == [ISSUED, SENT]
    cause = await notify.pool.fetchval(
        "SELECT attributes::json->>'causationid' FROM journal WHERE sequence = 2"
    )
    assert cause == await key_of(notify, case)
    assert await left(notify) == 0


async def test_a_worker_that_dies_after_the_call_sends_no_second_message(
    site: Site, notify: Running
) -> None:
    case = await issued(site, notify)
    async with gateway() as url, worker_at(notify, url) as sound:
        called = asyncio.Event()

        async def dies_after_the_call(errand: Errand, last: bool) -> Command:
            await sound._carry_out(errand, last)
            called.set()
            await asyncio.Event().wait()
            raise AssertionError("never")

        worker = asyncio.create_task(
            Errands(notify.stage, notify.relay, dies_after_the_call).carry_out_due()
        )
        await called.wait()
        assert await sound.carry_out_due() == 0, "it is leased"
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        assert await notify.events(case.case_id) == [ISSUED]
        await due_again(notify)
        assert await sound.carry_out_due() == 1
        assert await taken(url) == {await key_of(notify, case): 2}, "twice, under the same key"
    assert await notify.events(case.case_id) == [ISSUED, SENT]


async def test_two_workers_whose_leases_overlap_tell_it_once(site: Site, notify: Running) -> None:
    case = await issued(site, notify)
    async with gateway() as url, worker_at(notify, url) as sound:
        both = asyncio.Barrier(2)

        async def slow(errand: Errand, last: bool) -> Command:
            command = await sound._carry_out(errand, last)
            await both.wait()
            return command

        workers = [Errands(notify.stage, notify.relay, slow) for _ in range(2)]
        first = asyncio.create_task(workers[0].carry_out_due())
        await until(lambda: _leased(notify), "the first has it")
        await due_again(notify)
        assert [await workers[1].carry_out_due(), await first] == [1, 1]
    assert await notify.events(case.case_id) == [ISSUED, SENT]


async def _leased(notify: Running) -> bool:
    return bool(
        await notify.pool.fetchval("SELECT count(*) FROM errands WHERE leased_until IS NOT NULL")
    )


async def test_a_call_that_fails_is_made_again_later(site: Site, notify: Running) -> None:
    case = await issued(site, notify)
    async with gateway(fails_every=1) as url, worker_at(notify, url) as errands:
        for attempt in (1, 2, 3):
            assert await errands.carry_out_due() == 1
            assert await errands.carry_out_due() == 0, "not at once"
            row = await notify.pool.fetchrow(
                "SELECT attempts, leased_until, next_at - now() AS pause FROM errands"
            )
            assert row is not None
            assert (row["attempts"], row["leased_until"]) == (attempt, None)
            assert 2**attempt - 1.9 < row["pause"].total_seconds() <= 2**attempt
            await due_again(notify)
    assert await notify.events(case.case_id) == [ISSUED]
    async with gateway() as url, worker_at(notify, url) as errands:
        assert await errands.carry_out_due() == 1
    assert await notify.events(case.case_id) == [ISSUED, SENT]


async def test_after_the_last_attempt_it_is_told_that_it_failed(
    site: Site, notify: Running
) -> None:
    case = await issued(site, notify)
    await notify.pool.execute("UPDATE errands SET attempts = $1", ATTEMPTS_MAX - 1)
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    async with worker_at(notify, nowhere) as errands:
        assert await errands.carry_out_due() == 1
    assert await notify.events(case.case_id) == [ISSUED, FAILED]
    assert await reason_of(notify, case) == "gateway-unreachable"
    assert await left(notify) == 0


async def reason_of(notify: Running, case: CaseFacts) -> str:
    found: str = await notify.pool.fetchval(
        "SELECT data::json->>'reason' FROM journal WHERE case_id = $1 AND sequence = 2",
        case.case_id,
    )
    return found


async def test_an_erased_applicant_is_told_nothing(site: Site, notify: Running) -> None:
    case = await issued(site, notify)
    await site.vault.erase([case.case_id])
    async with gateway() as url, worker_at(notify, url) as errands:
        assert await errands.carry_out_due() == 1
        assert await taken(url) == {}
    assert await notify.events(case.case_id) == [ISSUED, FAILED]
    assert await reason_of(notify, case) == "erased"


async def test_without_a_gateway_it_is_told_so(site: Site, notify: Running) -> None:
    case = await issued(site, notify)
    async with worker_at(notify, None) as errands:
        assert await errands.carry_out_due() == 1
    assert await reason_of(notify, case) == "no-gateway"


async def test_errands_of_a_case_that_was_set_aside_wait_for_it(
    site: Site, notify: Running
) -> None:
    case = await issued(site, notify)
    bad = case.withdrawal_requested().but(value=b"{}")
    places = await site.tell([bad])
    await notify.read()
    async with gateway() as url, worker_at(notify, url) as errands:
        assert await errands.carry_out_due() == 0
        await notify.resolve(case.case_id, "skipped", places[0])
        assert await errands.carry_out_due() == 1
        assert len(await taken(url)) == 1


async def test_a_case_set_aside_during_the_call_is_told_later(site: Site, notify: Running) -> None:
    case = await issued(site, notify)
    async with gateway() as url, worker_at(notify, url) as sound:

        async def meanwhile(errand: Errand, last: bool) -> Command:
            command = await sound._carry_out(errand, last)
            await notify.pool.execute(
                "UPDATE cases SET parked = 'x' WHERE case_id = $1", case.case_id
            )
            return command

        assert await Errands(notify.stage, notify.relay, meanwhile).carry_out_due() == 1
        assert await notify.events(case.case_id) == [ISSUED]
        assert await left(notify) == 1
        await notify.pool.execute("UPDATE cases SET parked = NULL")
        await due_again(notify)
        assert await sound.carry_out_due() == 1
    assert await notify.events(case.case_id) == [ISSUED, SENT]


async def test_an_errand_that_breaks_keeps_no_other_from_being_made(
    site: Site, notify: Running
) -> None:
    broken, sound_case = await issued(site, notify), await issued(site, notify)
    async with gateway() as url, worker_at(notify, url) as sound:
        worker = Errands(notify.stage, notify.relay, breaking(sound, broken))
        assert await worker.carry_out_due() == 2
    assert await notify.events(sound_case.case_id) == [ISSUED, SENT]
    assert await notify.events(broken.case_id) == [ISSUED]
    assert await left(notify) == 1


def breaking(sound: Errands, case: CaseFacts) -> Callable[[Errand, bool], Awaitable[Command]]:
    async def carry(errand: Errand, last: bool) -> Command:
        if errand.case_id == case.case_id:
            raise ZeroDivisionError
        return await sound._carry_out(errand, last)

    return carry
