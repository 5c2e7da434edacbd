"""When other tables become the live ones: the feed misses nothing and tells nothing twice."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.local.broker import LocalBroker
from services.casebook import rebuilding
from services.casebook.auditing import Report, Stand, compared, gathered
from services.casebook.case_order import CaseOrder
from services.casebook.cli.ledger import Scanned
from services.casebook.cli.screen import Screen
from services.casebook.reached import reached
from services.casebook.rebuilding import Site
from services.casebook.schemas import Schemas, still_named, stop_folding
from shared.clock import now
from shared.errors import Unavailable
from shared.identifiers import Role
from shared.postgres.pool import Connection
from tests.department import Office, department
from tests.facts import publish
from tests.readside import served, token
from tests.running import until
from tests.streams import following, listening

OPERATOR = token("timur", "almaly", Role.OPERATOR)
WAITS_FOR_THE_POINTER = """
SELECT count(*) > 0 FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


@pytest.fixture
async def office(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


def site_of(office: Office) -> Site:
    return Site(office.side.bootstrap, office.side.url, Schemas("casebook"), "test")


async def fold_anew(site: Site) -> None:
    """Tables beside the live ones, as far as the log goes."""
    async with rebuilding.alone(site):
        await rebuilding.prepare(site, "a test")
        async with site.log() as log:
            ends = await rebuilding.ends_in_bulk(site, log)
        await rebuilding.fill(site, ends, lambda _: None)


async def places(stream: AsyncIterator[dict[str, str]], count: int) -> list[str]:
    """Where the next changes stand; none of them is a word to reload."""
    found: list[str] = []
    while len(found) < count:
        event = await following(stream)
        assert event["event"] == "changed"
        found += [each["position"] for each in json.loads(event["data"])["changes"]]
    return found


async def test_the_feed_goes_over_to_other_tables_without_loss(office: Office) -> None:
    site, case = site_of(office), await office.case()
    async with served(office.settings) as client:
        async with listening(client, OPERATOR) as staying:
            connected = await following(staying)
            told = [await office.tell(case.lodged())]
            assert await places(staying, 1) == told
            told.append(await office.tell(case.registered()))
            left = await following(staying)
            told.append(await office.tell(case.assigned()))
            await fold_anew(site)
            await rebuilding.swap(site, "a test")
            told += [await office.tell(case.drafted()), await office.tell(case.signed())]
            assert await places(staying, 3) == told[2:]
        for last, missed in ((left["id"], told[2:]), (connected["id"], told)):
            async with listening(client, OPERATOR, last) as returning:
                assert await places(returning, len(missed)) == missed
                assert (await following(returning))["event"] == "connected"


async def test_a_look_that_had_to_wait_for_a_flip_tells_nothing_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, case = site_of(office), await office.case()
    async with served(office.settings) as client, listening(client, OPERATOR) as stream:
        assert (await following(stream))["event"] == "connected"

        async def stop_late(connection: Connection, schema: str) -> None:
            # One more fact is folded and told, which the next tables do not have yet; then
            # somebody looks, and waits.
            late = await office.tell(case.registered())
            assert await places(stream, 1) == [late]
            await stop_folding(connection, schema)
            await until(somebody_waits, "a look waits for the flip")

        async def somebody_waits() -> bool:
            return bool(await office.side.pool.fetchval(WAITS_FOR_THE_POINTER))

        told = await office.tell(case.lodged())
        assert await places(stream, 1) == [told]
        await fold_anew(site)
        with monkeypatch.context() as patch:
            patch.setattr(rebuilding, "stop_folding", stop_late)
            await rebuilding.swap(site, "a test")
        told = await office.tell(case.assigned())
        assert await places(stream, 1) == [told]


async def test_who_comes_back_while_kept_tables_are_ahead_reloads(office: Office) -> None:
    site, case = site_of(office), await office.case()
    async with served(office.settings) as client:
        async with listening(client, OPERATOR) as leaving:
            last = (await following(leaving))["id"]
        await office.tell(case.lodged())
        await fold_anew(site)
        await rebuilding.swap(site, "a test")
        async with office.side.pool.acquire() as connection:
            # The live tables do not get on, those from before do: a rollback has begun.
            hold = connection.transaction()
            await hold.start()
            await connection.execute("SELECT FROM offsets FOR UPDATE")
            [(partition, offset)] = await publish(site.bootstrap, [case.registered()])
            async with rebuilding.open_shadow(site, site.schemas.before) as shadow:
                await shadow.follow_to_the_end()
            async with listening(client, OPERATOR, last) as returning:
                assert (await following(returning))["event"] == "reload"
                await hold.rollback()
                assert await places(returning, 1) == [f"{partition}:{offset}"]


async def test_an_audit_that_read_from_both_tables_says_so(office: Office) -> None:
    site, case = site_of(office), await office.case()
    async with served(office.settings), AsyncExitStack() as stack:
        await office.tell(*office.staff.written, case.lodged())
        before, after = [
            await stack.enter_async_context(site.connected("casebook")) for _ in range(2)
        ]
        at_one_instant = before.transaction(isolation="repeatable_read", readonly=True)
        await stack.enter_async_context(at_one_instant)
        marks, report = await reached(before), Report()
        assert await still_named(before, "casebook")
        with CaseOrder() as order:
            async with site.log() as log:
                with Screen(quiet=True).progress("log", None) as meter:
                    scanned = Scanned(log, meter)
                    await gathered(scanned.batches(), order, marks, report)
            await fold_anew(site)
            await rebuilding.swap(site, "a test")
            stand = Stand(before, after, scanned.ends, marks, now(), has_tables=True)
            with pytest.raises(Unavailable, match="swapped in during the audit"):
                await compared(order, stand, report, lambda _: None)
