"""The bounds of the live feed: when a client must reload, who has room, how long it is silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.local.broker import LocalBroker
from services.casebook import changes, feed
from services.casebook.changes import Change, Reach
from services.casebook.schemas import Schemas
from services.casebook.tailing import Tail
from shared.identifiers import Role, new_id
from shared.messaging.topics import CASE_EVENTS
from tests.department import Office, department
from tests.readside import WAIT_S, served, token
from tests.streams import following, heard, listening

CLERK = token("aigul", "almaly", Role.OFFICE_SPECIALIST)


@pytest.fixture
async def office(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


async def lodge(office: Office, count: int) -> None:
    cases = [await office.case() for _ in range(count)]
    await office.tell(*(case.lodged() for case in cases))


async def test_who_reads_too_slowly_reloads_and_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(office.settings) as client, listening(client, CLERK) as stream:
        assert (await following(stream))["event"] == "connected"
        monkeypatch.setattr(feed, "QUEUE_MAX", 0)
        await lodge(office, 1)
        reloading = await following(stream)
        assert reloading["event"] == "reload"
        monkeypatch.undo()
        await lodge(office, 1)
        [number] = await heard(stream, 1)
        assert number == int(reloading["id"].partition(":")[2]) + 1


async def test_who_was_away_for_too_much_reloads(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(office.settings) as client:
        async with listening(client, CLERK) as stream:
            last = (await following(stream))["id"]
        await lodge(office, 3)
        monkeypatch.setattr(feed, "CATCH_UP_MAX", 2)
        async with listening(client, CLERK, last) as stream:
            assert (await following(stream))["event"] == "reload"
        monkeypatch.undo()
        async with listening(client, CLERK, last) as stream:
            assert len(await heard(stream, 3)) == 3


async def test_who_was_away_for_what_is_forgotten_reloads(office: Office) -> None:
    async with served(office.settings) as client:
        async with listening(client, CLERK) as stream:
            last = (await following(stream))["id"]
        await lodge(office, 3)
        async with office.side.pool.acquire() as connection:
            # At once: the tail of the process may not have looked since.
            await changes.forget_old(connection, kept=1)
        async with listening(client, CLERK, last) as stream:
            assert (await following(stream))["event"] == "reload"
        async with listening(client, CLERK) as stream:
            now = (await following(stream))["id"]
        generation, _, number = now.partition(":")
        async with listening(client, CLERK, f"{generation}:{int(number) - 1}") as stream:
            assert await heard(stream, 1) == [int(number)]


async def test_other_tables_that_do_not_know_what_was_told_reload(office: Office) -> None:
    async with served(office.settings) as client, listening(client, CLERK) as stream:
        before = (await following(stream))["id"].partition(":")[0]
        await lodge(office, 1)
        assert (await following(stream))["event"] == "changed"
        # As after a rebuild that read beyond what this stream was told, in bulk.
        await office.side.pool.execute("UPDATE offsets SET told_from = next + 1")
        await office.side.pool.execute("UPDATE feed SET generation = 'rebuilt'")
        reloading = await following(stream)
    assert reloading["event"] == "reload"
    assert reloading["id"].partition(":")[0] == "rebuilt" != before


async def test_who_was_told_more_by_another_replica_hears_it_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = asyncio.Event(), Tail._look

    async def later(tail: Tail) -> None:
        await looks.wait()
        await look(tail)

    monkeypatch.setattr(Tail, "_look", later)
    looks.set()
    async with served(office.settings) as client:
        async with listening(client, CLERK) as stream:
            generation, _, number = (await following(stream))["id"].partition(":")
        looks.clear()
        await lodge(office, 3)
        async with listening(client, CLERK, f"{generation}:{int(number) + 3}") as stream:
            looks.set()
            connected = await following(stream)
            await lodge(office, 1)
            assert await heard(stream, 1) == [int(number) + 4]
    assert connected == {
        "event": "connected",
        "id": f"{generation}:{int(number) + 3}",
        "data": "{}",
    }


async def test_who_comes_back_to_no_tables_is_answered_from_the_next_ones(office: Office) -> None:
    async with served(office.settings) as client:
        async with listening(client, CLERK) as stream:
            last = (await following(stream))["id"]
        await office.side.pool.execute("DROP SCHEMA casebook CASCADE")
        async with listening(client, CLERK, last) as stream:
            reloading = await following(stream)
    assert reloading["event"] == "reload"
    assert reloading["id"].partition(":")[0] != last.partition(":")[0]


async def test_what_is_queued_when_a_token_ends_is_told_by_the_next_stream(
    office: Office,
) -> None:
    tail = Tail(office.side.pool, office.side.url, "casebook", "1")
    tail.reach = Reach("g", 0, 1, {})
    streams = feed.Feed(office.side.pool, tail, Schemas("casebook"), clients_max=1)
    stream = streams.stream(None, None, until=time.time() + 0.3)

    def tell(number: int) -> None:
        change = Change(number, new_id(), None, CASE_EVENTS, 0, number)
        tail.reach = Reach("g", number, 1, {})
        for listener in tail.listeners:
            listener([change], "g")

    assert b"retry" in await anext(stream)
    assert b"connected" in await anext(stream)
    tell(1)
    assert (await anext(stream)).startswith(b"id: g:1\nevent: changed")
    await asyncio.sleep(0.3)
    tell(2)
    assert await anext(stream) == b"event: expired\ndata: {}\n\n", "it stands at 1 as before"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_quiet_stream_says_that_it_is_there_and_where(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT_S", 0.2)
    async with (
        served(office.settings) as client,
        client.stream("GET", "/feed", headers=CLERK) as response,
        asyncio.timeout(10),
    ):
        lines = response.aiter_lines()
        found = [await anext(lines) for _ in range(12)]
    assert found.count(": still here") >= 2
    after = found[found.index(": still here") + 1]
    assert after.startswith("id: ")


async def test_there_is_room_for_so_many_and_it_is_given_back(office: Office) -> None:
    settings = office.settings.model_copy(update={"feed_clients_max": 1})
    async with served(settings) as client:
        async with listening(client, CLERK) as stream:
            assert (await following(stream))["event"] == "connected"
            full = await client.get("/feed", headers=CLERK)
            assert (full.status_code, full.headers["retry-after"]) == (503, "10")
        deadline = time.monotonic() + WAIT_S
        while (await opened(client)) != httpx.codes.OK:
            assert time.monotonic() < deadline, "the place is not given back"
            await asyncio.sleep(0.05)


async def opened(client: httpx.AsyncClient) -> int:
    async with client.stream("GET", "/feed", headers=CLERK) as response:
        return response.status_code
