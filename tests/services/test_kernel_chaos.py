"""Whatever comes, in whatever order, whatever operators do: a rebuild is the same (D1)."""

import random
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest

from shared.errors import Refused
from shared.identifiers import CaseId, Source, Step, new_id
from shared.journal.parked import give_up_waiting
from tests.facts import CaseFacts, Written
from tests.running import Running
from tests.stages import Site, staff
from tests.tables import tables_equal, tables_of

CASES = 12
CHUNK = 9


def some_case(luck: random.Random) -> list[Written]:
    """The facts of a case, of two sources, as its holders would tell them."""
    case = CaseFacts(by_rule=luck.choice([(), (Step.ASSIGN,)]))
    case.lodged()
    case.registered()
    for _ in range(luck.randrange(3)):
        case.withdrawal_requested()
    if luck.random() < 0.5:
        case.turn = 2
        case.paper_requested()
        case.drafted()
    return case.written


def spoilt(record: Written, luck: random.Random) -> Written:
    """The record with one thing wrong with it."""
    other_id = str(new_id()).encode()
    return luck.choice(
        [
            record.but(value=b"{}"),
            record.but(value=b"{}", id=other_id),
            record.but(id=other_id),
            record.but(type=b"qyzmet.intake.case-painted.v1"),
            record.but(sequence=b"none"),
            record.but(sequence=b"77777777", id=other_id),
            replace(record, value=None),
        ]
    )


def mistreated(records: list[Written], luck: random.Random) -> list[Written]:
    """What becomes of a case's records on a bad day: lost, late, doubled, spoilt, out of order."""
    told: list[Written] = []
    late: list[Written] = []
    for record in records:
        fate = luck.random()
        if fate < 0.10:
            late.append(record)
        elif fate < 0.20:
            told += [record, record]
        elif fate < 0.35:
            told += [spoilt(record, luck), record]
        elif fate < 0.40:
            told.append(spoilt(record, luck))
        else:
            told.append(record)
    if luck.random() < 0.3 and len(told) > 1:
        place = luck.randrange(len(told) - 1)
        told[place : place + 2] = reversed(told[place : place + 2])
    return told + luck.sample(late, luck.randint(0, len(late)))


def mixed(cases: list[list[Written]], luck: random.Random) -> list[Written]:
    """The records of all cases, each case's in their order."""
    queues = [list(reversed(records)) for records in cases if records]
    told = []
    while queues:
        queue = luck.choice(queues)
        told.append(queue.pop())
        queues = [each for each in queues if each]
    return told


async def mend(stage: Running, order: list[UUID], luck: random.Random) -> None:
    """What operators do meanwhile: retry a case, or skip one of its records."""
    rows = await stage.pool.fetch(
        'SELECT case_id, partition, "offset" FROM parked JOIN cases USING (case_id)'
    )
    aside = sorted(rows, key=lambda row: (order.index(row["case_id"]), row["offset"]))
    for row in luck.sample(aside, min(len(aside), 3)):
        how = luck.choice(["retried", "skipped", "skipped"])
        with suppress(Refused):  # it fails again, or an earlier one has to be dealt with first
            await stage.resolve(CaseId(row["case_id"]), how, (row["partition"], row["offset"]))


async def quiet(stage: Running) -> None:
    """Until nothing is left to send, to read, to fire or to wait for."""
    await stage.sent()
    await stage.read()
    while await stage.timers.fire_due():
        await stage.sent()
    await stage.read()
    async with stage.pool.acquire() as connection:
        await give_up_waiting(connection, 0.0)


@pytest.mark.parametrize("seed", range(5))
async def test_a_rebuild_after_a_bad_day_comes_to_the_same(site: Site, seed: int) -> None:
    luck = random.Random(seed)
    await site.tell(staff())
    stage = await site.start(Source.ROUTING)
    await stage.read()
    cases = [some_case(luck) for _ in range(CASES)]
    order = [UUID((records[0].key or b"").decode()) for records in cases]
    records = mixed([mistreated(each, luck) for each in cases], luck)
    for start in range(0, len(records), CHUNK):
        await site.tell(records[start : start + CHUNK])
        await stage.read(batch_max=luck.choice([1, 3, 500]))
        await mend(stage, order, luck)
        if luck.random() < 0.3:
            await stage.timers.fire_due()
    await quiet(stage)
    before = await tables_of(stage.pool)
    assert len(before["journal"]) > CASES
    await site.stop()
    await site.forget(Source.ROUTING)
    again = await site.start(Source.ROUTING)
    await again.read(batch_max=luck.choice([1, 7, 500]))
    await quiet(again)
    tables_equal(before, await tables_of(again.pool))
