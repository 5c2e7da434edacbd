"""Reading the log into a stage (D4-D7): whatever a record is, the batch goes on."""

from collections.abc import Sequence

import pytest

from shared.identifiers import Source, new_id
from shared.journal.inbox import Hole, LogIsAhead
from shared.journal.parked import give_up_waiting
from tests.facts import CaseFacts, Written
from tests.running import Running
from tests.stages import Site, registered_case, unknown_edition, unread
from tests.tables import tables_equal, tables_of

ASSIGNED = ["executor-assigned"]


async def told(site: Site, routing: Running, records: Sequence[Written]) -> int:
    await site.tell(records)
    return await routing.read()


# ---- duplicates, re-deliveries, zombies ---------------------------------------------------------


async def test_a_fact_that_calls_for_a_command_is_answered_once(
    site: Site, routing: Running
) -> None:
    case = registered_case()
    assert await told(site, routing, case.written) == 2
    assert await routing.events(case.case_id) == ASSIGNED
    assert await told(site, routing, [*case.written, *case.written]) == 4
    assert await routing.events(case.case_id) == ASSIGNED
    assert await routing.parked(case.case_id) is None


async def test_a_batch_that_comes_again_changes_nothing(site: Site, routing: Running) -> None:
    records = await unread(site, routing, registered_case().written)
    await routing.inbox.take(records)
    before = await tables_of(routing.pool)
    assert await routing.inbox.take(records) == 0
    tables_equal(before, await tables_of(routing.pool))


async def test_a_worker_that_was_replaced_finds_nothing_to_do(site: Site, routing: Running) -> None:
    cases = [registered_case() for _ in range(5)]
    records = await unread(site, routing, [each for case in cases for each in case.written])
    await routing.inbox.take(records)
    before = await tables_of(routing.pool)
    for some in (records[:3], records[2:7], records[-1:]):
        assert await routing.inbox.take(some) == 0
    tables_equal(before, await tables_of(routing.pool))


async def test_a_batch_that_begins_before_the_database_is_read_from_there(
    site: Site, routing: Running
) -> None:
    case = registered_case()
    records = await unread(site, routing, case.written)
    await routing.inbox.take(records[:1])
    await routing.inbox.take(records)
    assert await routing.events(case.case_id) == ASSIGNED


async def test_a_batch_with_a_hole_is_not_read(site: Site, routing: Running) -> None:
    case = registered_case()
    records = await unread(site, routing, case.written)
    before = await tables_of(routing.pool)
    with pytest.raises(Hole) as hole:
        await routing.inbox.take(records[1:])
    place = (records[0].topic, records[0].partition)
    assert hole.value.offsets[place] == records[0].offset
    tables_equal(before, await tables_of(routing.pool))


# ---- gaps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False], ids=["in-one-batch", "in-two-batches"])
async def test_a_record_waits_for_the_missing_one(
    site: Site, routing: Running, together: bool
) -> None:
    case = registered_case()
    lodged, registered = case.written
    if not together:
        await told(site, routing, [registered])
        assert await routing.events(case.case_id) == []
        assert [waits for _, _, waits in await routing.aside(case.case_id)] == [True]
        await told(site, routing, [registered, lodged])
    else:
        await told(site, routing, [registered, lodged])
    assert await routing.events(case.case_id) == ASSIGNED
    assert await routing.aside(case.case_id) == []
    assert not await routing.pool.fetchval("SELECT bool_or(waits) FROM cases")


async def test_a_gap_is_given_up_after_a_while(site: Site, routing: Running) -> None:
    case = registered_case()
    _, registered = case.written
    await told(site, routing, [registered])
    async with routing.pool.acquire() as connection:
        assert await give_up_waiting(connection, 60.0) == 0
        assert await give_up_waiting(connection, 0.0) == 1
        assert await give_up_waiting(connection, 0.0) == 0
    assert await routing.parked(case.case_id) == "a record of the log is missing"


async def test_what_waited_and_then_failed_stands_aside(site: Site, routing: Running) -> None:
    case = registered_case()
    lodged, registered = case.written
    await told(site, routing, [registered])
    await told(site, routing, [unknown_edition(lodged)])
    reason = await routing.parked(case.case_id)
    assert reason is not None
    assert reason.startswith("fault in the rules")
    assert [waits for _, _, waits in await routing.aside(case.case_id)] == [False]


async def test_two_events_that_wait_for_one_place_are_a_contradiction(
    site: Site, routing: Running
) -> None:
    case = registered_case()
    lodged, registered = case.written
    other = registered.but(id=str(new_id()).encode())
    await told(site, routing, [registered, other])
    assert await routing.parked(case.case_id) is None
    await told(site, routing, [lodged])
    assert await routing.parked(case.case_id) == "another event was told at this place"
    assert len(await routing.aside(case.case_id)) == 1


# ---- what the database refuses ------------------------------------------------------------------


async def test_a_record_that_the_database_refuses_is_found_by_halving(
    site: Site, routing: Running
) -> None:
    cases = [registered_case() for _ in range(13)]
    bad = cases[7].case_id
    await routing.pool.execute(f"ALTER TABLE journal ADD CHECK (case_id <> '{bad}')")
    records = await unread(site, routing, [each for case in cases for each in case.written])
    assert await routing.inbox.take(records) == 1
    for case in cases:
        assert await routing.events(case.case_id) == ([] if case.case_id == bad else ASSIGNED)
    reason = await routing.parked(bad)
    assert reason == "the database refused it: CheckViolationError"
    assert await routing.inbox.take(records) == 0


async def test_a_fact_of_ours_that_the_journal_lacks_stops_the_reading(
    site: Site, routing: Running
) -> None:
    case, other = CaseFacts(), registered_case()
    case.lodged()
    case.registered()
    case.assigned()
    before = await tables_of(routing.pool)
    records = await unread(site, routing, [*case.written, *other.written])
    with pytest.raises(LogIsAhead):
        await routing.inbox.take(records)
    tables_equal(before, await tables_of(routing.pool))
    again = await site.start(Source.ROUTING)
    assert await again.events(case.case_id) == ASSIGNED, "a restart reads it back"
    await again.read()
    assert await again.events(other.case_id) == ASSIGNED
