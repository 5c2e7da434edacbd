"""A database from a backup, an empty one, another log (D18): what a stage does at its start."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.intake.commands import RegisterApplication, RequestWithdrawal
from services.notify.effects import NOTICE
from shared.errors import Refused
from shared.events.intake import Applicant
from shared.identifiers import CaseId, Source, Step
from shared.journal import relay
from shared.journal.desk import Answer, Wish
from shared.journal.restore import AnotherLog, restore
from shared.journal.sending import send_round, start_producer, stop_producer
from shared.journal.work import Origin
from tests.facts import CaseFacts
from tests.running import Running
from tests.stages import Site, people, staff
from tests.tables import tables_equal, tables_of

KEY = "a" * 64
BODY, OTHER_BODY = "1" * 64, "2" * 64


async def lodged(site: Site, intake: Running, iins: Sequence[str]) -> list[CaseId]:
    wishes = [await site.application(iin) for iin in iins]
    answers = await intake.desk.perform_all(wishes)
    assert all(isinstance(answer, Answer) for answer in answers)
    return [wish.command.case_id for wish in wishes]


async def quiet(stage: Running) -> None:
    await stage.sent()
    await stage.read()


async def lodged_and_not_sent(site: Site, intake: Running, count: int) -> list[CaseId]:
    await intake.stop_sending()
    intake.desk._publish_wait_s = 0.01
    return await lodged(site, intake, people(count))


async def test_an_older_backup_gets_back_what_was_published_since(
    site: Site, intake: Running
) -> None:
    first = await lodged(site, intake, people(3))
    await quiet(intake)
    await site.back_up(Source.INTAKE)
    register = RegisterApplication(case_id=first[0], actor="staff:aigul")
    await intake.perform(register, idempotency_key=f"{KEY}:{BODY}")
    second = await lodged(site, intake, people(2, start=10))
    await quiet(intake)
    before = await tables_of(intake.pool)
    await site.stop()
    await site.bring_back(Source.INTAKE)

    again = await site.start(Source.INTAKE)
    await quiet(again)
    tables_equal(before, await tables_of(again.pool))
    repeated = await again.perform(register, idempotency_key=f"{KEY}:{BODY}")
    assert repeated.repeated
    assert repeated.sequence == 2
    with pytest.raises(Refused, match="an idempotency key stands for one request"):
        await again.perform(register, idempotency_key=f"{KEY}:{OTHER_BODY}")
    ask = RequestWithdrawal(case_id=first[0], actor="staff:aigul")
    assert (await again.perform(ask)).sequence == 3, "no sequence is given out twice"
    assert await again.events(second[0]) == ["application-lodged"]
    positions = await again.pool.fetch("SELECT position FROM journal ORDER BY position")
    assert len({row["position"] for row in positions}) == len(positions)


async def test_what_a_backup_had_not_published_yet_is_published_once_more_at_most(
    site: Site, intake: Running
) -> None:
    await quiet(intake)
    cases = await lodged_and_not_sent(site, intake, 2)
    await site.back_up(Source.INTAKE)
    await quiet(intake)
    before = await tables_of(intake.pool)
    await site.stop()
    await site.bring_back(Source.INTAKE)
    again = await site.start(Source.INTAKE)
    assert await again.pool.fetchval("SELECT count(*) FROM outbox") == 0
    await quiet(again)
    tables_equal(before, await tables_of(again.pool))
    assert await again.events(cases[1]) == ["application-lodged"]


async def test_an_answer_that_was_lost_with_the_backup_is_not_invented(
    site: Site, intake: Running
) -> None:
    await quiet(intake)
    await site.back_up(Source.INTAKE)
    cases = await lodged_and_not_sent(site, intake, 1)
    await site.stop()
    await site.bring_back(Source.INTAKE)
    again = await site.start(Source.INTAKE)
    assert await again.events(cases[0]) == [], "only 202 was answered: the how-to says so"


async def test_every_stage_is_rebuilt_from_the_log_alone(site: Site) -> None:
    await site.tell(staff())
    stages = [await site.start(source) for source in Source]
    for stage in stages:
        await stage.read()
        stage.send()
    wishes = [await site.application(iin, by_rule=tuple(Step)) for iin in people(4)]
    wishes.append(await site.application(people(5)[-1]))
    await stages[0].desk.perform_all(wishes)
    asked = wishes[-1].command.case_id
    await stages[0].perform(RequestWithdrawal(case_id=asked, actor="staff:aigul", reason="moving"))
    for _ in range(3):
        for stage in stages:
            await stage.read()
            await stage.sent()
    assert await stages[0].events(asked) == [
        "application-lodged",
        "withdrawal-requested",
        "case-withdrawn",
    ]
    for wish in wishes[:-1]:
        assert await stages[-1].events(wish.command.case_id) == ["result-issued"]
    before = [await tables_of(stage.pool) for stage in stages]
    await site.stop()
    for source, tables in zip(Source, before, strict=True):
        await site.forget(source)
        again = await site.start(source)
        await again.read()
        tables_equal(tables, await tables_of(again.pool))
        again.send()
        await again.sent()
        assert await again.read() == 0, "a rebuild tells nothing"


async def test_of_an_event_that_was_sent_twice_the_acknowledged_copy_counts(
    site: Site, intake: Running
) -> None:
    await quiet(intake)
    await lodged_and_not_sent(site, intake, 3)
    producer = await start_producer(site.bootstrap)
    await send_round(producer, await intake.pool.fetch(relay._NEXT, 10))  # nobody hears of it
    await stop_producer(producer)
    await quiet(intake)
    before = await tables_of(intake.pool)
    await site.stop()
    await site.forget(Source.INTAKE)
    again = await site.start(Source.INTAKE)
    told = [dict(record.headers)["ce_id"] for record in await again.unread()]
    assert len(told) - len(set(told)) == 3
    await again.read()
    tables_equal(before, await tables_of(again.pool))


async def test_two_replicas_may_rebuild_at_once(site: Site, intake: Running) -> None:
    await lodged(site, intake, people(20))
    await quiet(intake)
    before = await tables_of(intake.pool)
    await site.stop()
    await site.forget(Source.INTAKE)
    stages = [await site.stage(Source.INTAKE) for _ in range(3)]
    counts = await asyncio.gather(*(restore(stage, site.bootstrap) for stage in stages))
    assert sum(counts) == 20
    again = await site.start(Source.INTAKE)
    await again.read()
    tables_equal(before, await tables_of(again.pool))


# ---- another log --------------------------------------------------------------------------------


async def test_a_log_that_is_older_than_the_database_is_named(site: Site, intake: Running) -> None:
    await lodged(site, intake, people(1))
    await quiet(intake)
    await intake.pool.execute(
        "UPDATE offsets SET next = next + 5 WHERE last_event_id IS NOT NULL"
        " AND topic = 'case-events'"
    )
    before = await tables_of(intake.pool)
    with pytest.raises(AnotherLog, match=r"older than this database \(qyzmet log repair\)"):
        await site.start(Source.INTAKE)
    tables_equal(before, await tables_of(intake.pool))


async def test_another_log_of_the_same_length_is_named(site: Site, intake: Running) -> None:
    await lodged(site, intake, people(1))
    await quiet(intake)
    await intake.pool.execute(
        "UPDATE offsets SET last_event_id = gen_random_uuid() WHERE last_event_id IS NOT NULL"
    )
    with pytest.raises(AnotherLog, match="is not the one read before; this is another log"):
        await site.start(Source.INTAKE)


async def test_a_log_whose_last_record_was_unreadable_is_known_again(
    site: Site, intake: Running
) -> None:
    case = CaseFacts()
    registered = case.registered()
    for bad in (registered.but(value=b"{}"), registered.but(time=b"now")):
        await site.tell([bad])
        await intake.read()
        again = await site.start(Source.INTAKE)
        assert await again.parked(case.case_id) is not None


# ---- what a rebuild must not do twice -----------------------------------------------------------


async def test_a_rebuild_fires_no_timer_twice(site: Site) -> None:
    await site.tell(staff())
    routing = await site.start(Source.ROUTING)
    case = CaseFacts()
    case.lodged()
    case.registered()
    await site.tell(case.written)
    await routing.read()
    assert await routing.timers.fire_due() == 1
    assert await routing.events(case.case_id) == ["stage-overdue"]
    await quiet(routing)
    before = await tables_of(routing.pool)
    await site.stop()
    await site.forget(Source.ROUTING)
    again = await site.start(Source.ROUTING)
    await again.read()
    assert await again.timers.fire_due() == 0
    await quiet(again)
    tables_equal(before, await tables_of(again.pool))


async def test_a_rebuild_makes_the_errands_that_nobody_made_and_no_others(site: Site) -> None:
    await site.tell(staff())
    done, open_ = (issued_case() for _ in range(2))
    issued, sent = done.written[-1], done.notice_sent()
    cause = ("ce_causationid", str(issued.event_id).encode())
    done.written[-1] = replace(sent, headers=[*sent.headers, cause])
    silent = CaseFacts()
    silent.straight_through()
    await site.tell([*done.written, *open_.written, *silent.written])
    notify = await site.start(Source.NOTIFY)
    await notify.read()
    rows = await notify.pool.fetch("SELECT event_id, case_id, kind FROM errands")
    result = open_.written[-1].event_id
    assert [tuple(row) for row in rows] == [(result, open_.case_id, NOTICE)]


def issued_case() -> CaseFacts:
    """A case whose applicant asked to be told."""
    case = CaseFacts()
    lodged = case.lodged(Applicant(iin="880101300017", surname="C", given_name="P", phone="1"))
    assert lodged.value is not None
    case.written[0] = lodged.but(
        value=lodged.value.replace(b'"lodged_at"', b'"notice":"sms","lodged_at"')
    )
    case.registered()
    case.assigned()
    case.drafted()
    case.signed()
    case.issued()
    return case


async def test_a_wish_that_came_again_after_the_restore_gets_its_answer(
    site: Site, intake: Running
) -> None:
    wish = await site.application(people(1)[0], key=f"{KEY}:{BODY}")
    first = await intake.desk.perform(wish)
    await quiet(intake)
    await site.stop()
    await site.forget(Source.INTAKE)
    again = await site.start(Source.INTAKE)
    again.send()
    other = await site.application(people(1)[0], key=f"{KEY}:{BODY}")
    second = await again.desk.perform(
        Wish(other.command, Origin(idempotency_key=f"{KEY}:{BODY}"), opens=True, claim=other.claim)
    )
    assert (second.case_id, second.sequence) == (first.case_id, first.sequence)
    assert second.position == first.position
    assert second.repeated
