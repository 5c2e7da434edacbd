"""What operators do about a case that was set aside (D7), and that a rebuild comes to the same."""

from dataclasses import replace

import pytest

from shared.errors import Refused
from shared.events import codec
from shared.events.catalogue import BY_TYPE
from shared.events.event import Event
from shared.identifiers import DEPARTMENT, Role, Source, new_id
from shared.journal.parked import give_up_waiting
from tests.facts import CaseFacts, DepartmentFacts, Written
from tests.running import Running
from tests.stages import Site, registered_case
from tests.tables import tables_equal, tables_of

ASSIGNED = "executor-assigned"
RESOLVED = "parked-resolved"


@pytest.fixture
def case() -> CaseFacts:
    return registered_case()


async def told(site: Site, stage: Running, *records: Written) -> list[tuple[int, int]]:
    places = await site.tell(records)
    await stage.read()
    return places


async def rebuilt_alike(site: Site, stage: Running) -> Running:
    """Drop the stage's schema, rebuild it from the log: all tables are as before."""
    source = stage.stage.source
    await stage.sent()
    await stage.read()
    before = await tables_of(stage.pool)
    await site.stop()
    await site.forget(source)
    again = await site.start(source)
    await again.read()
    async with again.pool.acquire() as connection:
        await give_up_waiting(connection, 0.0)
    tables_equal(before, await tables_of(again.pool))
    return again


async def give_up(stage: Running) -> None:
    async with stage.pool.acquire() as connection:
        await give_up_waiting(connection, 0.0)


# ---- retry --------------------------------------------------------------------------------------


async def test_a_retry_reads_all_records_in_their_order(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    await routing.pool.execute(
        f"ALTER TABLE journal ADD CONSTRAINT fault CHECK (case_id <> '{case.case_id}')"
    )
    await told(site, routing, *case.written, case.withdrawal_requested())
    assert await routing.parked(case.case_id) is not None
    with pytest.raises(Refused, match="a retry has to succeed as a whole"):
        await routing.resolve(case.case_id)
    await routing.pool.execute("ALTER TABLE journal DROP CONSTRAINT fault")
    done = await routing.resolve(case.case_id)
    assert (done.read, done.still) == (2, None)
    assert await routing.parked(case.case_id) is None
    assert await routing.aside(case.case_id) == []
    assert await routing.events(case.case_id) == [RESOLVED, ASSIGNED]
    await rebuilt_alike(site, routing)


async def test_a_retry_that_fails_again_changes_nothing(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    await told(site, routing, lodged, registered.but(value=b"{}"), case.withdrawal_requested())
    before = await tables_of(routing.pool)
    with pytest.raises(Refused, match="a retry has to succeed as a whole"):
        await routing.resolve(case.case_id)
    tables_equal(before, await tables_of(routing.pool))


async def test_a_retry_after_the_missing_record_came_lets_the_case_flow(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    await told(site, routing, registered)
    await give_up(routing)
    await told(site, routing, lodged)
    assert await routing.parked(case.case_id) == "a record of the log is missing"
    assert len(await routing.aside(case.case_id)) == 2
    done = await routing.resolve(case.case_id)
    assert (done.read, done.still) == (2, None)
    assert await routing.events(case.case_id) == [RESOLVED, ASSIGNED]
    assert await routing.aside(case.case_id) == []
    await rebuilt_alike(site, routing)


async def test_a_retry_while_the_record_is_still_missing_lets_the_case_wait_again(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    await told(site, routing, registered)
    await give_up(routing)
    done = await routing.resolve(case.case_id)
    assert (done.read, done.still) == (0, None)
    assert await routing.parked(case.case_id) is None
    await told(site, routing, lodged)
    assert await routing.events(case.case_id) == [RESOLVED, ASSIGNED]
    await rebuilt_alike(site, routing)


async def test_a_new_build_reads_what_an_older_one_did_not_know(
    site: Site, routing: Running, case: CaseFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: entry for name, entry in BY_TYPE.items() if "registered" not in name}
    monkeypatch.setattr(codec, "BY_TYPE", known)
    await told(site, routing, *case.written, case.withdrawal_requested())
    assert await routing.parked(case.case_id) == (
        "unknown type qyzmet.intake.application-registered.v1"
    )
    assert await routing.resolving.retry_unknown() == 0
    monkeypatch.undo()
    assert await routing.resolving.retry_unknown() == 1
    assert await routing.resolving.retry_unknown() == 0
    assert await routing.parked(case.case_id) is None
    assert await routing.events(case.case_id) == [ASSIGNED]
    await rebuilt_alike(site, routing)


# ---- skip ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unreadable", "unknown type", "no envelope", "of another case"])
async def test_a_record_that_cannot_be_read_is_skipped(
    site: Site, routing: Running, case: CaseFacts, kind: str
) -> None:
    lodged, registered = case.written
    bad = {
        "unreadable": registered.but(value=b"{}", id=str(new_id()).encode()),
        "unknown type": registered.but(
            type=b"qyzmet.intake.case-painted.v1", id=str(new_id()).encode()
        ),
        "no envelope": registered.but(sequence=b"first"),
        "of another case": replace(CaseFacts().lodged(), key=registered.key),
    }[kind]
    third = case.tell(Source.INTAKE, event_of(registered), turn=0, sequence=3)
    follows = third if kind in ("unreadable", "unknown type") else registered
    places = await told(site, routing, lodged, bad, follows)
    done = await routing.resolve(case.case_id, "skipped", places[1])
    assert (done.read, done.still) == (2, None)
    assert await routing.parked(case.case_id) is None
    assert await routing.aside(case.case_id) == []
    assert await routing.events(case.case_id) == [RESOLVED, ASSIGNED]
    await rebuilt_alike(site, routing)


async def test_a_contradiction_is_skipped(site: Site, routing: Running, case: CaseFacts) -> None:
    lodged, registered = case.written
    other = lodged.but(id=str(new_id()).encode())
    places = await told(site, routing, lodged, other, registered)
    assert await routing.parked(case.case_id) == "another event was told at this place"
    await routing.resolve(case.case_id, "skipped", places[1])
    assert await routing.events(case.case_id) == [RESOLVED, ASSIGNED]
    again = await rebuilt_alike(site, routing)
    await told(site, again, other)
    assert await again.parked(case.case_id) is None, "a copy of it is skipped, too"


async def test_a_gap_is_skipped_with_the_record_behind_it(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    lost = case.withdrawal_requested()
    fourth, fifth = case.withdrawal_requested(), case.withdrawal_requested()
    places = await told(site, routing, lodged, registered, fourth, fifth)
    await give_up(routing)
    done = await routing.resolve(case.case_id, "skipped", places[2])
    assert done.still is None
    assert await routing.parked(case.case_id) is None
    assert await routing.aside(case.case_id) == []
    again = await rebuilt_alike(site, routing)
    await told(site, again, lost)
    assert await again.parked(case.case_id) is None, "what comes after all was passed over"
    assert await again.aside(case.case_id) == []


async def test_a_later_record_is_skipped_while_an_earlier_one_waits(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    case.withdrawal_requested()
    fourth, fifth = case.withdrawal_requested(), case.withdrawal_requested()
    places = await told(site, routing, lodged, registered, fourth, fifth)
    await routing.resolve(case.case_id, "skipped", places[3])
    assert await routing.aside(case.case_id) == []
    await rebuilt_alike(site, routing)


async def test_a_record_impossibly_far_ahead_is_left_out(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    ahead = registered.but(sequence=b"200000000", id=str(new_id()).encode())
    places = await told(site, routing, lodged, ahead, registered)
    assert await routing.events(case.case_id) == [ASSIGNED]
    await routing.resolve(case.case_id, "skipped", places[1])
    assert await routing.aside(case.case_id) == []
    size = await routing.pool.fetchval("SELECT max(length(seen)) FROM cases")
    assert size < 1000
    await rebuilt_alike(site, routing)


async def test_two_bad_records_are_skipped_one_after_the_other(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    first = registered.but(sequence=b"first")
    second = registered.but(time=b"today")
    places = await told(site, routing, lodged, first, second, registered)
    before = await tables_of(routing.pool)
    with pytest.raises(Refused, match="a retry has to succeed"):
        await routing.resolve(case.case_id, "skipped", places[2])
    tables_equal(before, await tables_of(routing.pool))
    done = await routing.resolve(case.case_id, "skipped", places[1])
    assert done.still == "attribute 'time' is not of its type"
    assert await routing.parked(case.case_id) == done.still
    assert [at[:2] for at in await routing.aside(case.case_id)] == places[2:]
    done = await routing.resolve(case.case_id, "skipped", places[2])
    assert done.still is None
    assert await routing.events(case.case_id) == [RESOLVED, RESOLVED, ASSIGNED]
    await rebuilt_alike(site, routing)


async def test_a_parked_case_is_rebuilt_parked(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    waits = CaseFacts()
    waits.lodged()
    bad = registered.but(value=b"{}")
    await told(site, routing, lodged, bad, case.withdrawal_requested(), waits.registered())
    await give_up(routing)
    again = await rebuilt_alike(site, routing)
    assert await again.parked(case.case_id) is not None
    assert await again.parked(waits.case_id) is not None


# ---- the department -----------------------------------------------------------------------------


async def test_the_department_itself_is_freed_at_a_stage_that_only_listens(site: Site) -> None:
    department = DepartmentFacts()
    first = department.member("timur", Role.OPERATOR)
    bad = department.member("dana", Role.RESPONSIBLE_EXECUTOR)
    last = department.member("aigul", Role.OFFICE_SPECIALIST)
    intake = await site.start(Source.INTAKE)
    places = await told(site, intake, first, bad.but(value=b"{}"), last)
    assert await intake.parked(DEPARTMENT) is not None
    await intake.resolve(DEPARTMENT, "skipped", places[1])
    assert await intake.parked(DEPARTMENT) is None
    async with intake.pool.acquire() as connection:
        directory = await intake.stage.directory(connection)
    assert sorted(directory.members) == ["aigul", "timur"]
    await rebuilt_alike(site, intake)


def event_of(record: Written) -> Event:
    """The event in a record."""
    assert record.value is not None
    headers = dict(record.headers)
    return codec.decode(headers["ce_type"].decode(), record.value)[1]
