"""The fold on a real log and a real database: what is applied, skipped, waits, is parked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncpg
import pytest

from deploy.local.broker import LocalBroker
from services.casebook import folding, offsets
from services.casebook.arrivals import Arrival, arrival_of
from services.casebook.schemas import MIGRATIONS
from shared.errors import Conflict
from shared.events.event import Event
from shared.events.intake import WithdrawalRequested
from shared.events.signing import NotificationSigned
from shared.identifiers import Role, Source, Step
from shared.messaging.log import open_log
from shared.messaging.topics import CASE_EVENTS
from shared.postgres.migrations import migrate, read_migrations
from tests.facts import DIGEST, START, CaseFacts, DepartmentFacts, Written, publish
from tests.readside import ReadSide, fresh_log, read_side


@pytest.fixture
async def side(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    async with read_side(broker.bootstrap, database) as found:
        yield found


@pytest.fixture
async def whole(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    """A log that holds nothing but what the test tells."""
    async with read_side(broker.bootstrap, database, from_start=True) as found:
        yield found


async def status(side: ReadSide, case: CaseFacts) -> asyncpg.Record:
    row = await side.pool.fetchrow("SELECT * FROM status WHERE case_id = $1", case.case_id)
    assert row is not None
    return row


async def parked(side: ReadSide, case: CaseFacts) -> str | None:
    reason: str | None = await side.pool.fetchval(
        "SELECT parked FROM cases WHERE case_id = $1", case.case_id
    )
    return reason


async def test_a_case_is_seen_at_each_step_of_its_way(side: ReadSide) -> None:
    case = CaseFacts()
    async with side.folding():
        states = []
        for step in (
            case.lodged, case.registered, case.assigned, case.drafted, case.returned,
            case.drafted, case.signed, case.issued,
        ):  # fmt: skip
            await side.tell(step())
            row = await status(side, case)
            states.append((row["state"], row["stage"], row["step"], row["turn"]))
    assert states == [
        ("lodged", "intake", "register", 0),
        ("registered", "routing", "assign", 1),
        ("assigned", "executor", "draft", 2),
        ("drafted", "signing", "sign", 3),
        ("returned", "executor", "draft", 4),
        ("drafted", "signing", "sign", 5),
        ("signed", "notify", "issue", 6),
        ("issued", "notify", None, 6),
    ]
    row = await status(side, case)
    assert (row["executor"], row["outcome"], row["due_at"]) == ("bolat", "granted", None)
    assert row["registration_number"] == case.number
    assert row["result_number"] == f"{case.number}/1"
    assert row["lodged_at"] == START
    facts = await side.pool.fetch("SELECT * FROM timeline ORDER BY place")
    assert [fact["place"] for fact in facts] == list(range(1, 9))
    assert [fact["due_clause"] for fact in facts][:3] == ["R3 5.1", "R3 5.2", "R3 5.3"]
    assert "Canary" not in str([tuple(fact.values()) for fact in facts])


async def test_everything_told_twice_changes_nothing(side: ReadSide) -> None:
    cases, staff = [CaseFacts() for _ in range(5)], DepartmentFacts()
    staff.member("bolat", Role.RESPONSIBLE_EXECUTOR)
    staff.away("bolat", START.date(), START.date())
    records = [record for case in cases for record in case.straight_through()] + staff.written
    async with side.folding():
        await side.tell(*records)
        once = await side.tables()
        await side.tell(*records, *records)
        twice = await side.tables()
    assert len(once["timeline"]) == len(records)
    assert {**once, "offsets": []} == {**twice, "offsets": []}


async def test_a_gap_waits_and_heals(side: ReadSide) -> None:
    case = CaseFacts()
    lodged, registered, assigned = case.lodged(), case.registered(), case.assigned()
    async with side.folding():
        await side.tell(registered, registered, assigned)
        assert await side.pool.fetchval("SELECT count(*) FROM waiting") == 1
        assert await side.pool.fetchval("SELECT count(*) FROM status") == 0
        await side.tell(lodged)
        assert (await status(side, case))["state"] == "assigned"
        assert await side.pool.fetchval("SELECT count(*) FROM waiting") == 0
        assert await side.pool.fetchval("SELECT waits FROM cases") == 0


async def test_facts_of_different_sources_may_come_in_any_order(side: ReadSide) -> None:
    case, late = CaseFacts(), CaseFacts()
    case.straight_through()
    late.straight_through()
    backwards = [late.written[place] for place in (5, 4, 3, 2, 0, 1)]
    async with side.folding():
        await side.tell(*case.written, *backwards)
        one, other = dict(await status(side, case)), dict(await status(side, late))
    for name in ("stage", "state", "turn", "path", "executor", "outcome", "due_at", "ended_at"):
        assert one[name] == other[name], name


SPOILT: dict[str, tuple[str, Callable[[CaseFacts], Written]]] = {
    "another event in its place": (
        "contradiction",
        lambda case: case.tell(Source.INTAKE, _withdrawal(case), sequence=1, turn=0),
    ),
    "an unknown type": (
        "unknown-type",
        lambda case: case.withdrawal_requested().but(type=b"qyzmet.intake.something-new.v9"),
    ),
    "not of its form": (
        "malformed",
        lambda case: case.withdrawal_requested().but(value=b'{"no": "such field"}'),
    ),
    "not JSON": ("malformed", lambda case: case.withdrawal_requested().but(value=b"\xff{")),
    "a source that is none": (
        "malformed",
        lambda case: case.withdrawal_requested().but(source=b"nobody"),
    ),
    "a header that is not UTF-8": (
        "malformed: header",
        lambda case: case.withdrawal_requested().but(actor=b"\xff\xfe"),
    ),
    "no value": (
        "malformed: the record has no value",
        lambda case: replace(case.withdrawal_requested(), value=None),
    ),
    "the key of another case": (
        "malformed: the key",
        lambda case: replace(CaseFacts().withdrawal_requested(), key=str(case.case_id).encode()),
    ),
    "refused by the database": (
        "unfoldable: CheckViolationError",
        lambda case: case.tell(Source.INTAKE, _withdrawal(case), actor="staff:unlucky"),
    ),
}


def _withdrawal(case: CaseFacts) -> Event:
    return WithdrawalRequested(requested_at=case.clock)


async def test_a_record_that_cannot_be_folded_parks_its_case_only(side: ReadSide) -> None:
    other = CaseFacts()
    other.straight_through()
    cases = {what: CaseFacts() for what in SPOILT}
    rounds = [[case.lodged() for case in cases.values()], other.written[:3]]
    rounds.append([SPOILT[what][1](case) for what, case in cases.items()])
    rounds += [other.written[3:], [case.registered() for case in cases.values()]]
    await side.pool.execute("ALTER TABLE timeline ADD CHECK (actor <> 'staff:unlucky')")
    async with side.folding():
        await side.tell(*(record for each in rounds for record in each))
        for what, case in cases.items():
            reason = await parked(side, case) or ""
            assert reason.startswith(SPOILT[what][0]), (what, reason)
            assert (await status(side, case))["state"] == "lodged"
            rows = await side.pool.fetch(
                'SELECT reason FROM parked WHERE case_id = $1 ORDER BY "offset"', case.case_id
            )
            assert [row["reason"] is None for row in rows] == [False, True]
        assert (await status(side, other))["state"] == "issued"


async def test_a_skipped_gap_is_gone_over(side: ReadSide) -> None:
    case = CaseFacts()
    case.lodged()
    case.withdrawal_requested()
    late = case.registered()
    async with side.folding():
        positions = await side.tell(case.written[0], late)
        assert (await status(side, case))["state"] == "lodged"
        await side.tell(case.resolved(Source.ROUTING, positions[1], "skipped", late.event_id))
        assert await side.pool.fetchval("SELECT count(*) FROM waiting") == 0
        assert (await status(side, case))["state"] == "lodged"
        await side.tell(case.erased())
        assert (await status(side, case))["erased"]


async def test_a_record_without_a_case_stands_alone(side: ReadSide) -> None:
    case = CaseFacts()
    lost = replace(CaseFacts().lodged(), key=b"nobody's")
    async with side.folding():
        await side.tell(lost, replace(lost, key=None), *case.straight_through())
        assert (await status(side, case))["state"] == "issued"
        assert await side.pool.fetchval("SELECT count(*) FROM parked") == 2


async def test_an_operator_skips_and_the_case_goes_on(whole: ReadSide) -> None:
    case = CaseFacts()
    case.lodged()
    spoilt = case.withdrawal_requested().but(type=b"qyzmet.intake.something-new.v9")
    record = None  # no stage could read it either
    later = [case.registered(), case.assigned()]
    async with whole.folding():
        positions = await whole.tell(case.written[0], spoilt, *later)
        assert await parked(whole, case) is not None
        await whole.tell(case.resolved(Source.ROUTING, positions[1], "retried", record))
        assert (await parked(whole, case) or "").startswith("unknown-type")
        skipped = case.resolved(Source.ROUTING, positions[1], "skipped", record)
        await whole.tell(skipped, case.drafted())
        assert await parked(whole, case) is None
        assert (await status(whole, case))["state"] == "drafted"
        assert await whole.pool.fetchval("SELECT count(*) FROM parked") == 0
        await whole.tell(spoilt)
        assert await parked(whole, case) is None
        live = await whole.tables()
    await whole.drop()
    async with whole.folding():
        await whole.caught_up_to_the_end()
        assert await whole.tables() == live


async def test_a_newer_build_tries_parked_cases_again(
    side: ReadSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CaseFacts()
    case.lodged()
    async with side.folding():
        monkeypatch.setattr("services.casebook.standing.Standing.hear", _fails)
        await side.tell(*case.written)
        assert (await parked(side, case) or "").startswith("unfoldable: ZeroDivisionError")
        await side.tell(case.registered())
    monkeypatch.undo()
    async with side.folding():
        await side.eventually("SELECT count(*) = 1 FROM status WHERE state = 'registered'")
    assert await parked(side, case) is None


def _fails(*_: object) -> None:
    raise ZeroDivisionError


async def test_a_fact_of_a_source_without_the_turn_changes_nothing(side: ReadSide) -> None:
    case = CaseFacts()
    case.lodged()
    case.tell(Source.SIGNING, _signed(case), turn=0)
    case.registered()
    async with side.folding():
        await side.tell(*case.written)
        row = await status(side, case)
    assert (row["state"], row["path"]) == ("registered", ["intake", "routing"])
    assert await side.pool.fetchval("SELECT count(*) FROM timeline") == 3


def _signed(case: CaseFacts) -> Event:
    return NotificationSigned(digest=DIGEST, signed_at=case.clock, due=case.due(1, "R3 5.5"))


async def test_overdue_is_of_the_running_term_only(side: ReadSide) -> None:
    case = CaseFacts()
    case.lodged()
    case.registered()
    case.overdue(Source.ROUTING, Step.ASSIGN)
    async with side.folding():
        await side.tell(*case.written)
        assert (await status(side, case))["overdue"]
        await side.tell(case.assigned())
        assert not (await status(side, case))["overdue"]


async def test_a_withdrawn_case_is_over(side: ReadSide) -> None:
    case = CaseFacts()
    case.lodged()
    case.registered()
    wish = case.withdrawal_requested()
    async with side.folding():
        await side.tell(*case.written)
        assert (await status(side, case))["withdrawal_requested"]
        await side.tell(case.withdrawn(Source.ROUTING, wish.event_id))
        row = await status(side, case)
    assert (row["state"], row["step"], row["withdrawal_requested"]) == ("withdrawn", None, False)


async def test_erased_cases_keep_their_facts_and_lose_their_blocks(side: ReadSide) -> None:
    case, other = CaseFacts(), CaseFacts()
    case.lodged()
    case.registered()
    async with side.folding():
        await side.tell(*case.written, other.lodged())
        await side.tell(case.erased(), case.assigned())
        rows = await side.pool.fetch(
            "SELECT sealed FROM timeline WHERE case_id = $1 AND sealed IS NOT NULL", case.case_id
        )
        assert [row["sealed"] for row in rows] == ["erased", "erased"]
        assert (await status(side, case))["erased"]
        assert not (await status(side, other))["erased"]


async def test_a_restart_goes_on_and_a_rebuild_is_equal(whole: ReadSide) -> None:
    staff, cases = DepartmentFacts(), [CaseFacts() for _ in range(20)]
    staff.member("bolat", Role.RESPONSIBLE_EXECUTOR)
    staff.acting("bolat", START.date(), START.date())
    gapped, bad = CaseFacts(), CaseFacts()
    gapped.straight_through()
    bad.lodged()
    bad.written.append(bad.withdrawal_requested().but(value=b"{}"))
    bad.registered()
    bad.written.pop(1)
    rounds = [
        *[case.straight_through()[place] for place in range(6) for case in cases],
        *staff.written, *gapped.written[1:], *bad.written,
    ]  # fmt: skip
    async with whole.folding():
        await whole.tell(*rounds[:40])
    async with whole.folding():
        await whole.tell(*rounds[40:])
    live = await whole.tables()
    assert len(live["status"]) == 21
    assert live["waiting"]
    assert live["parked"]
    await whole.drop()
    async with whole.folding():
        await whole.caught_up_to_the_end()
        rebuilt = await whole.tables()
    for table in live:
        assert rebuilt[table] == live[table], table


async def test_records_that_were_folded_are_not_folded_again(whole: ReadSide) -> None:
    case = CaseFacts()
    await publish(whole.bootstrap, case.straight_through())
    async with open_log(whole.bootstrap, [CASE_EVENTS]) as log, whole.pool.acquire() as connection:
        await offsets.load(connection)
        arrivals: list[Arrival] = []
        while len(arrivals) < 6:
            arrivals += [arrival_of(record) for record in await log.poll(200, 100)]
        assert await folding.fold(connection, arrivals) == 0
        with pytest.raises(Conflict):
            await folding.fold(connection, arrivals)
        with pytest.raises(Conflict):
            await folding.fold(connection, arrivals[3:])
    assert await whole.pool.fetchval("SELECT last FROM feed") == 1


async def test_another_log_stops_the_fold(whole: ReadSide) -> None:
    first, second = CaseFacts(), CaseFacts()
    async with whole.folding():
        await whole.tell(*first.straight_through())
    before = await whole.tables()
    await fresh_log(whole.bootstrap)
    async with whole.folding() as follower:
        await whole.until(lambda: follower.halted is not None)
        assert "older than this schema" in (follower.halted or "")
    second.case_id, second.key = first.case_id, first.key
    await publish(whole.bootstrap, second.straight_through())
    async with whole.folding() as follower:
        await whole.until(lambda: follower.halted is not None)
        assert "another record" in (follower.halted or "")
    assert await whole.tables() == before


async def test_too_many_parked_cases_stop_the_fold(side: ReadSide) -> None:
    spoilt = [CaseFacts().lodged().but(type=b"qyzmet.intake.new.v7") for _ in range(8)]
    async with side.folding(parked_max=5) as follower:
        await publish(side.bootstrap, spoilt)
        await side.until(lambda: follower.halted is not None)
        assert "older than the log" in (follower.halted or "")


async def test_a_standby_takes_over(side: ReadSide) -> None:
    case = CaseFacts()
    leader, standby = side.follower(), side.follower(replica="standby")
    leading = asyncio.create_task(leader.run())
    await side.until(lambda: leader.leads)
    waiting = asyncio.create_task(standby.run())
    await side.tell(case.lodged())
    assert not standby.leads
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    await side.until(lambda: standby.leads)
    await side.tell(case.registered())
    assert (await status(side, case))["state"] == "registered"
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_the_fold_survives_its_connections(side: ReadSide) -> None:
    case = CaseFacts()
    async with side.pool.acquire() as eyes, side.folding():
        await side.tell(case.lodged())
        await eyes.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await side.tell(case.registered())
        seen = await eyes.fetchval("SELECT state FROM status WHERE case_id = $1", case.case_id)
        assert seen == "registered"


async def test_the_schema_is_made_by_any_number_of_replicas(side: ReadSide) -> None:
    await side.drop()

    async def make() -> list[str]:
        async with side.pool.acquire() as connection:
            return await migrate(connection, MIGRATIONS, "casebook")

    made = await asyncio.gather(make(), make(), make())
    assert sorted(map(len, made)) == [0, 0, len(read_migrations(MIGRATIONS))]
