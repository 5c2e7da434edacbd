"""Timers (D16): what is due is looked at once; the state says whether there is anything to do."""

import asyncio

import pytest

from services.routing.commands import AssignExecutor
from shared.decider import Command
from shared.identifiers import Source, Step
from shared.journal.rows import CaseRow
from shared.journal.work import Origin, Work
from tests.facts import CaseFacts, Written
from tests.running import Running
from tests.stages import Site, staff

OVERDUE = "stage-overdue"


def registered(*, by_rule: tuple[Step, ...] = ()) -> CaseFacts:
    """A case whose time to assign an executor ran out long ago."""
    case = CaseFacts(by_rule=by_rule)
    case.lodged()
    case.registered()
    return case


async def timers(stage: Running) -> int:
    count: int = await stage.pool.fetchval("SELECT count(due) FROM cases")
    return count


async def test_what_is_due_is_said_once(site: Site, routing: Running) -> None:
    case = registered()
    await site.tell(case.written)
    await routing.read()
    assert await timers(routing) == 1
    assert await routing.timers.fire_due() == 1
    assert await routing.events(case.case_id) == [OVERDUE]
    assert await timers(routing) == 0
    assert await routing.timers.fire_due() == 0
    await site.tell(case.written)
    await routing.read()
    assert await routing.timers.fire_due() == 0, "a duplicate sets no timer"


async def test_a_case_that_moved_on_has_nothing_overdue(site: Site, routing: Running) -> None:
    case = registered(by_rule=(Step.ASSIGN,))
    await site.tell(case.written)
    await routing.read()
    assert await timers(routing) == 0
    assert await routing.timers.fire_due() == 0
    assert await routing.events(case.case_id) == ["executor-assigned"]


async def test_what_is_not_due_yet_stays(site: Site, routing: Running) -> None:
    case = registered()
    lodged, sent = case.written
    assert sent.value is not None
    later = sent.but(value=sent.value.replace(b'"due":{"at":"2026', b'"due":{"at":"2199'))
    await site.tell([lodged, later])
    await routing.read()
    assert await routing.timers.fire_due() == 0
    assert await timers(routing) == 1


async def test_timers_of_a_case_that_was_set_aside_wait_for_it(
    site: Site, routing: Running
) -> None:
    case, other = registered(), registered()
    bad = case.withdrawal_requested().but(value=b"{}")
    places = await site.tell([*case.written[:2], bad, *other.written])
    await routing.read()
    assert await routing.timers.fire_due() == 1
    assert await routing.events(case.case_id) == []
    assert await routing.events(other.case_id) == [OVERDUE]
    await routing.resolve(case.case_id, "skipped", places[2])
    assert await routing.timers.fire_due() == 1
    assert await routing.events(case.case_id) == ["parked-resolved", OVERDUE]


async def test_replicas_that_look_at_once_say_it_once(site: Site, routing: Running) -> None:
    cases = [registered() for _ in range(30)]
    await site.tell([each for case in cases for each in case.written])
    await routing.read()
    other = await site.start(Source.ROUTING)
    fired = await asyncio.gather(
        *(each.timers.fire_due() for each in (routing, other, routing, other))
    )
    assert sum(fired) == 30
    for case in cases:
        assert await routing.events(case.case_id) == [OVERDUE]


async def test_many_timers_fire_in_turns(site: Site, routing: Running) -> None:
    cases = [registered() for _ in range(230)]
    await site.tell([each for case in cases for each in case.written])
    await routing.read()
    assert [await routing.timers.fire_due() for _ in range(3)] == [200, 30, 0]


async def test_a_timer_that_fails_keeps_no_other_from_firing(
    site: Site, routing: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = registered(), registered()
    await site.tell([*broken.written, *sound.written])
    await routing.read()
    act = Work.act

    def fails_for_one(work: Work, row: CaseRow, command: Command, origin: Origin) -> int:
        told = act(work, row, command, origin)
        if row.case_id == broken.case_id:
            raise RuntimeError("a rule with a fault")
        return told

    monkeypatch.setattr(Work, "act", fails_for_one)
    assert await routing.timers.fire_due() == 1
    assert await routing.events(broken.case_id) == []
    assert await routing.events(sound.case_id) == [OVERDUE]
    assert await timers(routing) == 1


async def test_a_timer_and_a_command_at_once_agree(site: Site, routing: Running) -> None:
    cases = [registered() for _ in range(10)]
    await site.tell([each for case in cases for each in case.written])
    await routing.read()
    routing.send()
    assign = [
        AssignExecutor(case_id=case.case_id, actor="staff:head", executor="bolat") for case in cases
    ]
    await asyncio.gather(
        routing.timers.fire_due(), *(routing.perform(command) for command in assign)
    )
    for case in cases:
        events = await routing.events(case.case_id)
        assert events in (["executor-assigned"], [OVERDUE, "executor-assigned"])


async def test_a_term_that_comes_back_is_looked_at_again(site: Site) -> None:
    await site.tell(staff())
    executor = await site.start(Source.EXECUTOR)
    case = CaseFacts()
    told: list[Written] = [case.lodged(), case.registered(), case.assigned()]
    await site.tell(told)
    await executor.read()
    assert await executor.timers.fire_due() == 1
    assert await executor.events(case.case_id) == [OVERDUE]
