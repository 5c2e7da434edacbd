"""How things stood: what a look back says is what was shown at that moment."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.casebook import folding, offsets, past, queries
from services.casebook.arrivals import Raw, arrival_of
from services.casebook.paging import Page
from services.casebook.past import Moment
from services.casebook.projections import queues
from services.casebook.projections.queues import Queue
from services.casebook.projections.search import Sought
from services.casebook.schemas import MIGRATIONS
from shared.errors import Refused
from shared.identifiers import Source, Step
from shared.messaging.topics import CASE_EVENTS
from shared.postgres.migrations import migrate
from shared.postgres.pool import Connection, connect
from tests.bad_day import UNKNOWN
from tests.facts import CaseFacts, Written

PARTITIONS = (0, 7)
ALL = "SELECT * FROM status ORDER BY case_id DESC"
ENDED = ("rejected", "issued", "withdrawn")
SOUGHT: Sequence[tuple[Sought, Callable[[dict[str, Any]], bool]]] = (
    (Sought(state="open"), lambda row: row["ended_at"] is None),
    (Sought(state="over"), lambda row: row["ended_at"] is not None),
    (Sought(state="issued"), lambda row: row["state"] == "issued"),
    (Sought(state="assigned"), lambda row: row["state"] == "assigned"),
    (
        Sought(stage="executor", executor="bolat"),
        lambda row: (
            row["ended_at"] is None and (row["stage"], row["executor"]) == ("executor", "bolat")
        ),
    ),
)
ACTS = (
    "registered", "assigned", "drafted", "signed", "returned", "issued", "rejected", "reassigned",
    "withdrawal_requested", "paper_requested", "notice_sent", "erased", "overdue", "withdrawn",
    "spoilt", "contradiction", "retried", "skipped", "again", "held", "released",
)  # fmt: skip
_schemas = count()


@dataclass
class Line:
    """One case as it is told, and what of it is held back."""

    partition: int
    case: CaseFacts = field(default_factory=CaseFacts)
    held: list[Written] = field(default_factory=list)
    holds: bool = False
    spoilt: tuple[int, Written] | None = None
    wish: Any = None

    def told(self, act: str, offset: int) -> Written | None:
        """The record that an act makes, if any."""
        record: Written | None = None
        match act:
            case "held":
                self.holds = True
            case "released":
                record = self.held.pop(0) if self.held else None
            case "again":
                record = self.case.written[len(self.case.written) // 2]
            case "spoilt" | "contradiction":
                record = self._spoil(act)
                self.spoilt = (offset, record)
            case "retried" | "skipped":
                record = self._resolve(act)
            case _:
                record = self._fact(act)
        return record

    def _spoil(self, act: str) -> Written:
        if act == "spoilt":
            return self.case.withdrawal_requested().but(type=UNKNOWN)
        return CaseFacts(case_id=self.case.case_id, key=self.case.key).lodged()

    def _resolve(self, act: str) -> Written | None:
        if self.spoilt is None:
            return None
        at, record = self.spoilt
        named = None if act == "retried" else record.event_id
        return self.case.resolved(Source.ROUTING, (self.partition, at), act, named)

    def _fact(self, act: str) -> Written | None:
        match act:
            case "overdue":
                record = self.case.overdue(Source.EXECUTOR, Step.DRAFT)
            case "withdrawn":
                wish = self.wish or self.case.written[0].event_id
                record = self.case.withdrawn(Source.ROUTING, wish)
            case "reassigned":
                record = self.case.reassigned("dana")
            case _:
                record = getattr(self.case, act)()
        if act == "withdrawal_requested":
            self.wish = record.event_id
        if self.holds:
            self.holds = False
            self.held.append(record)
            return None
        return record


@dataclass
class Seen:
    """What was shown at a moment."""

    moment: Moment
    status: list[dict[str, Any]]
    parked: dict[Any, str | None]
    queues: dict[str, list[Any]]


async def shown(connection: Connection, lines: Sequence[Line], before: dict[int, int]) -> Seen:
    rows = await connection.fetch(ALL)
    ids = [line.case.case_id for line in lines]
    return Seen(
        Moment(datetime.now(UTC), dict(before)),
        [dict(row) for row in rows],
        {case_id: await queries.parked_reason(connection, case_id) for case_id in ids},
        {
            stage.value: [
                row["case_id"]
                for row in (await queues.queue(connection, Queue(stage.value, None), Page(100)))[0]
            ]
            for stage in Source
        },
    )


async def tell_and_look_back(url: str, acts: Sequence[tuple[int, str]]) -> None:
    schema = f"past_{next(_schemas)}"
    connection = await connect(url, schema=schema, application_name="test")
    try:
        await migrate(connection, MIGRATIONS, schema)
        await offsets.load(connection)
        lines = [Line(PARTITIONS[0]), Line(PARTITIONS[1]), Line(PARTITIONS[0])]
        before = dict.fromkeys(PARTITIONS, 0)
        seen = [await shown(connection, lines, before)]
        for place, act in [(0, "lodged"), (1, "lodged"), (2, "held"), (2, "lodged"), *acts]:
            line = lines[place]
            offset = before[line.partition]
            record = line.told(act, offset)
            if record is None:
                continue
            raw = Raw(
                CASE_EVENTS, line.partition, offset, round(time.time() * 1000),
                record.key, record.headers, record.value,
            )  # fmt: skip
            await folding.fold(connection, [arrival_of(raw)])
            before[line.partition] = offset + 1
            seen.append(await shown(connection, lines, before))
        for each in seen:
            await look_back(connection, each)
    finally:
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()


async def look_back(connection: Connection, seen: Seen) -> None:
    moment = seen.moment
    listed, _ = await past.listed(connection, Sought(), moment, Page(100))
    assert [dict(row) for row in listed] == seen.status
    for sought, holds in SOUGHT:
        some, _ = await past.listed(connection, sought, moment, Page(100))
        assert [dict(row) for row in some] == [row for row in seen.status if holds(row)], sought
    stood = {row["case_id"]: row for row in seen.status}
    for row in await connection.fetch(ALL):
        found = await past.case(connection, row, moment)
        assert (None if found is None else dict(found)) == stood.get(row["case_id"])
        before = moment.before[row["partition"]]
        reason = await past.parked_reason(connection, row["case_id"], before)
        assert reason == seen.parked[row["case_id"]]
    for stage, ids in seen.queues.items():
        queue, _ = await past.queue(connection, Queue(stage, None), moment, Page(100))
        assert [row["case_id"] for row in queue] == ids


LAWFUL = ["registered", "assigned", "drafted", "returned", "drafted", "signed", "issued"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ACTS)), max_size=25))
def test_every_position_is_seen_as_it_was_shown(database: str, acts: list[tuple[int, str]]) -> None:
    asyncio.run(tell_and_look_back(database, acts))


@pytest.mark.parametrize("resolution", ["retried", "skipped"])
@pytest.mark.parametrize("spoiling", ["spoilt", "contradiction"])
def test_lawful_cases_parked_on_the_way(database: str, spoiling: str, resolution: str) -> None:
    acts = [
        (0, spoiling), (1, "registered"), (0, "registered"), (2, "released"), (0, "assigned"),
        (1, "held"), (1, "assigned"), (1, "drafted"), (0, resolution), (0, "drafted"),
        (1, "released"), (0, "skipped"), (0, "signed"), (0, "erased"), (0, "issued"),
        *((1, act) for act in LAWFUL[3:]),
    ]  # fmt: skip
    asyncio.run(tell_and_look_back(database, acts))


async def filled(connection: Connection, cases: Sequence[CaseFacts]) -> dict[int, int]:
    """All of them folded, one after the other; how far partition 0 is."""
    written = [record for case in cases for record in case.written]
    at = round(time.time() * 1000)
    raws = [
        Raw(CASE_EVENTS, 0, offset, at, record.key, record.headers, record.value)
        for offset, record in enumerate(written)
    ]
    await offsets.load(connection)
    await folding.fold(connection, [arrival_of(raw) for raw in raws])
    return {0: len(written)}


async def test_a_look_back_has_limits(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [CaseFacts() for _ in range(4)]
    for case in cases:
        case.straight_through()
    connection = await connect(database, schema="casebook", application_name="test")
    try:
        await migrate(connection, MIGRATIONS, "casebook")
        await filled(connection, cases)
        moment = Moment(datetime.now(UTC) - timedelta(days=1), {0: 3})
        monkeypatch.setattr(past, "CASES_MAX", 3)
        with pytest.raises(Refused, match="at most 3 cases") as refused:
            await past.listed(connection, Sought(), moment, Page(10))
        assert refused.value.field == "at"
        late = Moment(moment.at, {0: 24})
        rows, _ = await past.listed(connection, Sought(), late, Page(10))
        assert len(rows) == 4
        only = Sought(applicant=cases[0].applicant)
        [row], _ = await past.listed(connection, only, moment, Page(10))
        assert row["state"] == "assigned"
        monkeypatch.setattr(past, "FACTS_MAX", 2)
        now = await queries.case(connection, row["case_id"], None)
        assert now is not None
        with pytest.raises(Refused, match="at most 2 facts"):
            await past.case(connection, now, moment)
    finally:
        await connection.close()


async def test_pages_of_the_past_follow_each_other(database: str) -> None:
    cases = [CaseFacts() for _ in range(9)]
    for place, case in enumerate(cases):
        case.lodged(), case.registered()
        if place % 2:
            case.assigned()
    connection = await connect(database, schema="casebook", application_name="test")
    try:
        await migrate(connection, MIGRATIONS, "casebook")
        end = (await filled(connection, cases))[0]
        # Before the last three cases, and while the sixth is at routing still.
        moment = Moment(datetime.now(UTC), {0: end - 8})
        whole, _ = await past.queue(connection, Queue("routing", None), moment, Page(100))
        assert len(whole) == 4
        pages, page = [], Page(2)
        while True:
            rows, after = await past.queue(connection, Queue("routing", None), moment, page)
            pages += [row["case_id"] for row in rows]
            if after is None:
                break
            page = Page(2, after)
        assert pages == [row["case_id"] for row in whole]
        everything, _ = await past.listed(connection, Sought(), moment, Page(100))
        listed, page = [], Page(2)
        while True:
            rows, after = await past.listed(connection, Sought(), moment, page)
            listed += [row["case_id"] for row in rows]
            if after is None:
                break
            page = Page(2, after)
        assert listed == [row["case_id"] for row in everything]
        assert len(listed) == 6
    finally:
        await connection.close()
