"""Cases that a stage keeps in memory: whatever others wrote meanwhile, nothing is written over."""

import asyncio
from collections.abc import Iterable

import pytest

from services.routing.commands import AssignExecutor
from services.routing.decider import DECIDER
from shared.errors import Refused
from shared.identifiers import CaseId, Source, new_id
from shared.journal.desk import Answer
from shared.journal.kept import Kept
from shared.journal.rows import CaseRow, DeciderOf, read_cases
from shared.observability import metrics
from shared.postgres.pool import Connection
from tests.facts import CaseFacts
from tests.running import Running
from tests.stages import Site
from tests.tables import tables_equal, tables_of

READ = "shared.journal.inbox.read_cases"


def lodged_and_registered() -> CaseFacts:
    """A case that waits for the head."""
    case = CaseFacts()
    case.lodged()
    case.registered()
    return case


def batches_again() -> float:
    value: float = metrics.BATCHES_AGAIN._value.get()
    return value


def row(version: int = 1, **more: object) -> CaseRow:
    return CaseRow(CaseId(new_id()), DECIDER, DECIDER.state(), {}, version=version, **more)  # type: ignore[arg-type]


def test_who_takes_a_case_out_has_it_alone() -> None:
    kept, case = Kept(), row()
    kept.put([case])
    assert kept.take([case.case_id]) == {case.case_id: case}
    assert kept.take([case.case_id]) == {}


def test_those_that_were_put_back_last_are_kept() -> None:
    kept, rows = Kept(most=2), [row() for _ in range(3)]
    kept.put(rows[:2])
    kept.put([rows[0], rows[2]])
    assert len(kept) == 2
    assert set(kept.take(each.case_id for each in rows)) == {rows[0].case_id, rows[2].case_id}


def test_what_is_set_aside_or_waits_or_was_never_written_is_not_kept() -> None:
    kept = Kept()
    kept.put([row(parked="a fault"), row(waits=True), row(version=0)])
    assert len(kept) == 0


async def test_a_case_is_fetched_once_and_written_on(
    site: Site, routing: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = lodged_and_registered()
    await site.tell(case.written)
    await routing.read()
    fetched: list[CaseId] = []

    async def noted(
        connection: Connection, case_ids: Iterable[CaseId], decider_of: DeciderOf
    ) -> dict[CaseId, CaseRow]:
        case_ids = list(case_ids)
        fetched.extend(case_ids)
        return await read_cases(connection, case_ids, decider_of)

    monkeypatch.setattr(READ, noted)
    await site.tell([case.withdrawal_requested()])
    await routing.read()
    assert fetched == []
    assert await routing.events(case.case_id) == ["case-withdrawn"]


async def test_what_another_replica_wrote_is_found_before_anything_is_written_over_it(
    site: Site, routing: Running
) -> None:
    case = lodged_and_registered()
    await site.tell(case.written)
    await routing.read()  # it keeps the case as it is now
    other = await site.start(Source.ROUTING)
    other.send()
    await other.perform(AssignExecutor(case_id=case.case_id, actor="staff:head", executor="bolat"))
    await site.tell([case.withdrawal_requested()])
    before = batches_again()
    await routing.read()
    assert batches_again() == before + 1
    assert await routing.events(case.case_id) == ["executor-assigned"]
    assert await routing.parked(case.case_id) is None
    tables = await tables_of(routing.pool)
    await site.stop()
    await site.forget(Source.ROUTING)
    again = await site.start(Source.ROUTING)
    await again.read()
    await again.sent()
    tables_equal(tables, await tables_of(again.pool))


async def test_people_and_the_log_at_once_lose_nothing(site: Site, routing: Running) -> None:
    cases = [lodged_and_registered() for _ in range(40)]
    await site.tell([each for case in cases for each in case.written])
    await routing.read()
    other = await site.start(Source.ROUTING)
    await site.tell([case.withdrawal_requested() for case in cases])
    routing.send()
    *answers, _ = await asyncio.gather(
        *(
            replica.perform(
                AssignExecutor(case_id=case.case_id, actor="staff:head", executor="bolat")
            )
            for replica, case in zip([routing, other] * 20, cases, strict=True)
        ),
        routing.read(batch_max=7),
        return_exceptions=True,
    )
    for answer, case in zip(answers, cases, strict=True):
        told = await routing.events(case.case_id)
        if isinstance(answer, Answer):
            assert told == ["executor-assigned"]
        else:
            assert isinstance(answer, Refused), answer
            assert told == ["case-withdrawn"]
        assert await routing.parked(case.case_id) is None


async def test_a_record_behind_a_case_that_an_operator_frees_meanwhile_is_not_left_aside(
    site: Site, routing: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CaseFacts()
    lodged, bad = case.lodged(), case.registered().but(value=b"{}")
    places = await site.tell([lodged, bad])
    await routing.read()
    assert await routing.parked(case.case_id) is not None
    other = await site.start(Source.ROUTING)
    await site.tell([case.withdrawal_requested()])

    async def freed_meanwhile(
        connection: Connection, case_ids: Iterable[CaseId], decider_of: DeciderOf
    ) -> dict[CaseId, CaseRow]:
        found = await read_cases(connection, case_ids, decider_of)
        monkeypatch.setattr(READ, read_cases)
        await other.resolve(case.case_id, "skipped", places[1])
        return found

    monkeypatch.setattr(READ, freed_meanwhile)
    await routing.read()
    assert await routing.parked(case.case_id) is None
    assert await routing.aside(case.case_id) == []
