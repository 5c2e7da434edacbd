"""The read side folded anew beside the live one: equal, found different, swapped, rolled back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import LocalBroker
from services.casebook import comparing, rebuilding
from services.casebook.comparing import Comparison, compare
from services.casebook.rebuilding import CannotRebuild, Site
from services.casebook.schemas import Schemas
from services.casebook.workers import fill_in_processes, shares
from tests.bad_day import a_bad_day
from tests.facts import CaseFacts, publish
from tests.load.synthetic import records
from tests.readside import FOLDED, ReadSide, read_side


@pytest.fixture
async def whole(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    """A log that holds nothing but what the test tells."""
    async with read_side(broker.bootstrap, database, from_start=True) as found:
        yield found


def site_of(side: ReadSide) -> Site:
    return Site(side.bootstrap, side.url, Schemas(side.schema), "test-rebuild")


async def rebuilt(side: ReadSide, processes: int = 1) -> Comparison:
    """What `qyzmet rebuild run` does; the live side has to be folding."""
    site = site_of(side)
    folded: list[int] = []
    async with rebuilding.alone(site):
        await rebuilding.prepare(site, "a test")
        async with site.log() as log:
            ends = await rebuilding.ends_in_bulk(site, log)
        await fill_in_processes(site, ends, processes, folded.append)
        await rebuilding.finish(site)
        return await compare(site)


async def tables_in(side: ReadSide, schema: str) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(
            (
                tuple(row.values())
                for row in await side.pool.fetch(f"SELECT {columns} FROM {schema}.{table}")
            ),
            key=repr,
        )
        for table, columns in FOLDED.items()
    }


async def test_a_bad_day_is_rebuilt_row_by_row(
    whole: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "OVERLAP", 0)
    async with whole.folding():
        await a_bad_day(whole.tell)
        compared = await rebuilt(whole)
        assert compared.kept == []
        assert compared.rows["status"] >= 10
        assert set(FOLDED) - set(compared.rows) == {"names"}
        assert all(compared.rows.values())
        assert await tables_in(whole, "casebook_next") == await whole.tables()


@pytest.mark.parametrize("processes", [1, 2])
async def test_long_runs_and_several_processes_change_nothing(
    whole: ReadSide, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr("services.casebook.building.CASES_MAX", 70)
    written = list(records(4_000, open_at_once=100))
    async with whole.folding():
        await publish(whole.bootstrap, written)
        compared = await rebuilt(whole, processes)
        assert compared.kept == []
        assert compared.rows["timeline"] == len(written)


async def test_what_the_database_does_not_take_is_parked_as_live(
    whole: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "OVERLAP", 0)
    unlucky, others = CaseFacts(), [CaseFacts() for _ in range(5)]
    unlucky.lodged()
    unlucky.withdrawal_requested()
    unlucky.registered()
    for case in others:
        case.straight_through()
    site = site_of(whole)
    await rebuilding.prepare(site, "a test")
    for schema in ("casebook", "casebook_next"):
        await whole.pool.execute(
            f"ALTER TABLE {schema}.timeline ADD CHECK (NOT (type LIKE '%withdrawal-requested%'))"
        )
    async with whole.folding():
        await whole.tell(*unlucky.written, *(record for case in others for record in case.written))
        compared = await rebuilt(whole)
        assert compared.kept == []
        assert compared.rows["parked"] == 2


async def test_differences_are_named_by_case_and_column(whole: ReadSide) -> None:
    cases = [CaseFacts() for _ in range(4)]
    async with whole.folding():
        for case in cases:
            await whole.tell(*case.straight_through())
        one, two, three, _ = (case.case_id for case in cases)
        await whole.pool.execute("UPDATE status SET state = 'withdrawn' WHERE case_id = $1", one)
        await whole.pool.execute(
            "DELETE FROM timeline WHERE case_id = $1 AND source = 'signing'", two
        )
        await whole.pool.execute(
            "UPDATE timeline SET sealed = 'sealed.v1.AAAA' WHERE case_id = $1 AND sequence = 1"
            " AND source = 'intake'",
            three,
        )
        compared = await rebuilt(whole)
    found = {(each.table, each.case_id, each.column): each for each in compared.kept}
    state = found.pop(("status", str(one), "state"))
    assert (state.live, state.rebuilt) == ("withdrawn", "issued")
    gone = found.pop(("timeline", str(two), "(row)"))
    assert (gone.live, gone.rebuilt, gone.row) == (None, "a row", f"{two} signing 1")
    sealed = found.pop(("timeline", str(three), "sealed"))
    assert (sealed.live or "").startswith("sha256:")
    assert found == {}
    assert compared.total == 3
    noted = await whole.pool.fetchrow("SELECT differences FROM casebook_next.origin")
    assert noted is not None
    assert noted["differences"] == 3


async def test_a_rebuild_goes_on_where_it_was_killed(
    whole: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.casebook.building.RUN_MAX", 500)
    monkeypatch.setattr("services.casebook.building.POLL_MAX", 200)
    monkeypatch.setattr(rebuilding, "OVERLAP", 0)
    written = list(records(3_000, open_at_once=100))
    site = site_of(whole)
    async with whole.folding():
        await publish(whole.bootstrap, written)
        await rebuilding.prepare(site, "a test")
        async with site.log() as log:
            ends = await rebuilding.ends_in_bulk(site, log)
        done: list[int] = []

        def advance(count: int) -> None:
            done.append(count)
            if len(done) == 3:
                raise _Killed

        with pytest.raises(_Killed):
            await rebuilding.fill(site, ends, advance)
        kept = await whole.pool.fetchval("SELECT sum(next) FROM casebook_next.offsets")
        assert kept == sum(done[:2])
        assert (await rebuilt(whole)).kept == []


class _Killed(Exception):
    pass


async def test_a_swap_and_a_rollback_lose_nothing(whole: ReadSide) -> None:
    case, later = CaseFacts(), CaseFacts()
    case.straight_through()
    later.straight_through()
    site = site_of(whole)
    async with whole.folding():
        await whole.tell(*case.written[:4])
        assert (await rebuilt(whole)).kept == []
        generation = await whole.pool.fetchval("SELECT generation FROM feed")
        await whole.pool.execute("UPDATE names SET words = '{7}'")
        await whole.tell(case.written[4])
        async with rebuilding.alone(site):
            await rebuilding.swap(site, "a test")
        assert await whole.pool.fetchval("SELECT generation FROM feed") != generation
        assert await whole.pool.fetchval("SELECT state FROM status") == "signed"
        # What was read of a name is there at once, and nowhere else: it would outlive the key.
        assert await whole.pool.fetchval("SELECT words FROM names") == [7]
        assert await whole.pool.fetchval("SELECT words FROM casebook_before.names") is None
        await whole.tell(case.written[5], *later.written)
        live = await whole.tables()
        async with rebuilding.alone(site):
            await rebuilding.roll_back(site, "a test")
        assert await whole.pool.fetchval("SELECT generation FROM feed") == generation
        assert await whole.tables() == live
        acts = await whole.pool.fetch("SELECT act, reason FROM acts")
        assert [tuple(row) for row in acts] == [("rollback", "a test")]
        acts = await whole.pool.fetch("SELECT act, reason FROM casebook_before.acts")
        assert [tuple(row) for row in acts] == [("swap", "a test")]
        with pytest.raises(CannotRebuild):
            await rebuilding.discard(site, "casebook", "a test")
        await rebuilding.discard(site, "casebook_before", "a test")
        with pytest.raises(CannotRebuild):
            await rebuilding.roll_back(site, "a test")


async def test_two_rebuilds_at_once_are_one_too_many(whole: ReadSide) -> None:
    site = site_of(whole)
    async with rebuilding.alone(site):
        with pytest.raises(CannotRebuild, match="under way"):
            async with rebuilding.alone(site):
                pass


async def test_live_tables_that_stand_still_are_not_waited_for(
    whole: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "OVERLAP", 0)
    monkeypatch.setattr(rebuilding, "_LEVEL_S", 0.3)
    await publish(whole.bootstrap, CaseFacts().straight_through())
    with pytest.raises(CannotRebuild, match="is casebook running"):
        await rebuilt(whole)


async def test_while_cases_flow_the_two_are_compared_at_one_place(whole: ReadSide) -> None:
    written = list(records(6_000, open_at_once=50))
    async with whole.folding():

        async def flow() -> None:
            for first in range(0, len(written), 100):
                await publish(whole.bootstrap, written[first : first + 100])

        flowing = asyncio.create_task(flow())
        await asyncio.sleep(0.5)
        compared = await rebuilt(whole)
        again = await comparing.compare(site_of(whole))
        await flowing
        assert compared.kept == again.kept == []
        async with rebuilding.alone(site_of(whole)):
            await rebuilding.swap(site_of(whole), "a test")
        await whole.caught_up_to_the_end()
        assert await whole.pool.fetchval("SELECT count(*) FROM timeline") == len(written)


def test_partitions_are_dealt_out_evenly() -> None:
    behind = {("t", place): count for place, count in enumerate((5, 9, 1, 4, 7, 0))}
    dealt = shares(behind, behind, 2)
    assert sorted(place for share in dealt for place in share) == sorted(behind)
    assert sorted(sum(behind[place] for place in share) for share in dealt) == [13, 13]
    assert shares(behind, behind, 1) == [behind]
