"""Every list pages alike: all rows once, in order, whatever comes; and none reads a whole table."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from deploy.local.broker import LocalBroker
from services.casebook.conditions import Conditions
from services.casebook.paging import Order, Page
from services.casebook.projections import ages, names, notices, queues, results, search, workload
from services.casebook.projections.search import MOST_URGENT, NEWEST, Sought, conditions_of
from services.casebook.schemas import MIGRATIONS
from shared.errors import Refused
from shared.identifiers import Role
from shared.postgres.migrations import migrate
from tests.department import Office, department
from tests.readside import served, token

if TYPE_CHECKING:
    Plain = asyncpg.Connection[asyncpg.Record]
else:
    Plain = asyncpg.Connection  # generic for the checker only

HEAD = token("head", "almaly", Role.HEAD, Role.OFFICE_SPECIALIST, Role.RESPONSIBLE_EXECUTOR)
ROWS = 100_000
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SAMPLE = Order("sample", {"at": datetime, "case_id": UUID, "place": int, "staff": str})


@pytest.fixture
async def office(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


# ---- cursors ------------------------------------------------------------------------------------


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


GOOD = (NOW.isoformat(), str(uuid4()), 7, "aigul")


def test_a_cursor_says_where_it_was_written() -> None:
    place = SAMPLE.place(Page(after=cursor("sample", *GOOD)))
    assert place == (NOW, UUID(str(GOOD[1])), 7, "aigul")
    assert SAMPLE.place(Page()) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "\u0431",
        "AA==",
        cursor(),
        cursor("another", *GOOD),
        cursor("sample", *GOOD[:3]),
        cursor("sample", *GOOD, 1),
        cursor("sample", "2026-11-01T00:00:00", *GOOD[1:]),
        cursor("sample", "0001-01-01T00:00:00+14:00", *GOOD[1:]),
        cursor("sample", GOOD[0], "x", *GOOD[2:]),
        cursor("sample", *GOOD[:2], 2**70, "aigul"),
        cursor("sample", *GOOD[:2], True, "aigul"),
        cursor("sample", *GOOD[:2], -1, "aigul"),
        cursor("sample", *GOOD[:3], "nul\x00"),
        cursor("sample", *GOOD[:3], ["aigul"]),
        base64.urlsafe_b64encode(b'{"sample": 1}').decode(),
        base64.urlsafe_b64encode(b"7").decode(),
        base64.urlsafe_b64encode(b"[" * 200).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_cursor_is_refused_with_the_field(text: str) -> None:
    with pytest.raises(Refused) as refused:
        SAMPLE.place(Page(after=text))
    assert refused.value.field == "after"


# ---- every list over HTTP -----------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """A list: how it is asked for, where its rows stand, and what tells one from another."""

    method: str
    path: str
    rows: str
    key: tuple[str, ...]
    body: dict[str, str] | None = None


CASE = ("case_id",)
LISTS = [
    Listed("GET", "/cases", "cases", CASE),
    Listed("POST", "/cases/search", "cases", CASE, {}),
    Listed("POST", "/cases/search", "cases", CASE, {"order": "due"}),
    Listed("POST", "/cases/search", "cases", CASE, {"name": "canary"}),
    Listed("POST", "/applicants/status", "cases", CASE, {"applicant": "whose"}),
    Listed("GET", "/queues/to-assign", "cases", CASE),
    Listed("GET", "/results", "results", CASE),
    Listed("GET", "/notices", "notices", ("case_id", "at")),
    Listed("GET", "/workload", "executors", ("executor",)),
    Listed("GET", "/directory", "staff", ("staff",)),
    Listed("GET", "/parked", "parked", ("case_id", "kind")),
    Listed("GET", "/cases/{case}/timeline", "facts", ("place",)),
]


@dataclass
class Asking:
    client: httpx.AsyncClient
    listed: Listed
    case_id: str
    applicant: str

    async def page(self, **params: object) -> httpx.Response:
        body = self.listed.body
        if body and "applicant" in body:
            body = {"applicant": self.applicant}
        path = self.listed.path.format(case=self.case_id)
        asked = {name: str(value) for name, value in params.items() if value is not None}
        return await self.client.request(
            self.listed.method, path, headers=HEAD, params=asked, json=body
        )

    async def all(self, limit: int) -> list[tuple[object, ...]]:
        """Every row, page by page; what tells it from the others."""
        found: list[tuple[object, ...]] = []
        after: str | None = None
        while True:
            answer = await self.page(limit=limit, after=after)
            assert answer.status_code == 200, answer.text
            told: dict[str, Any] = answer.json()
            rows = told[self.listed.rows]
            assert len(rows) <= limit
            assert told["as_of"]["positions"]
            found += [tuple(row[name] for name in self.listed.key) for row in rows]
            after = told["next"]
            if after is None:
                return found


async def test_every_list_pages_alike(office: Office) -> None:
    person = (await office.case()).applicant
    records, done = [], await office.case()
    for number in range(5):
        waiting, done, spoilt = [await office.case() for _ in range(3)]
        # Two of each at the same instant: the case id tells them apart.
        waiting.clock += timedelta(days=number // 2)
        waiting.lodged()
        waiting.registered()
        done.straight_through()
        done.notice_sent()
        spoilt.lodged()
        spoilt.written.append(spoilt.registered().but(value=b"{}"))
        spoilt.written.pop(1)
        records += [*waiting.written, *done.written, *spoilt.written]
        office.staff.member(f"executor-{number}", Role.RESPONSIBLE_EXECUTOR)
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *records)
        await office.side.eventually("SELECT count(*) = 0 FROM names WHERE words IS NULL")
        for listed in LISTS:
            asking = Asking(client, listed, str(done.case_id), str(person))
            whole = await asking.all(200)
            assert len(whole) >= 5, listed
            for limit in (1, 2, 3):
                assert await asking.all(limit) == whole, (listed, limit)
            assert len(set(whole)) == len(whole), listed
            for after in ("nonsense", "", cursor("another", "x")):
                refused = await asking.page(after=after)
                assert refused.status_code == 422, (listed, after)
                assert refused.headers["content-type"] == "application/problem+json"
                assert refused.json()["field"] == "after"
            for limit in (0, 201, -1):
                assert (await asking.page(limit=limit)).status_code == 422, listed
            assert (await asking.page(after="x" * 301)).status_code == 422, listed


async def test_rows_that_come_meanwhile_move_no_page(office: Office) -> None:
    cases = [await office.case() for _ in range(6)]
    for days, case in enumerate(cases):
        case.clock += timedelta(days=days)
        case.lodged()
    newer = await office.case()
    newer.clock += timedelta(days=30)
    older = await office.case()
    older.clock -= timedelta(days=30)
    async with served(office.settings) as client:
        await office.tell(*(record for case in cases for record in case.written))

        async def page(after: str | None) -> tuple[list[str], str | None]:
            params = {"limit": "3"} | ({} if after is None else {"after": after})
            found = await client.post("/cases/search", headers=HEAD, params=params, json={})
            told = found.json()
            return [each["case_id"] for each in told["cases"]], told["next"]

        first, after = await page(None)
        await office.tell(newer.lodged(), older.lodged())
        second, after = await page(after)
        third, end = await page(after)
    newest_first = [str(case.case_id) for case in reversed(cases)]
    assert first + second == newest_first
    assert (third, end) == ([str(older.case_id)], None)


# ---- a hundred thousand cases --------------------------------------------------------------------

FILL = [
    f"""
    INSERT INTO status (case_id, registration_number, applicant, procedure, edition, office,
        channel, result_kind, synthetic, stage, step, by_rule, turn, path, state, executor, due_at,
        due_clause, due_rule, whole_due_at, overdue, withdrawal_requested, erased, outcome,
        result_number, lodged_at, registered_at, ended_at, partition, "offset", effective)
    SELECT gen_random_uuid(), 'HE-2026-' || n, ('00000000-0000-4000-8000-' ||
           lpad((n / 3)::text, 12, '0'))::uuid, 'home-education', '2016-08-25',
           'office-' || n % 10, 'office', 'assignment-of-benefit', true,
           CASE WHEN is_open THEN (ARRAY['intake', 'routing', 'executor', 'signing', 'notify'])
               [1 + n % 7 % 5] ELSE 'notify' END,
           CASE WHEN is_open THEN 'draft' END, false, CASE WHEN is_open THEN n % 7 % 5 ELSE 4 END,
           ARRAY['intake', 'routing', 'executor', 'signing', 'notify'],
           CASE WHEN is_open THEN (ARRAY['lodged', 'registered', 'assigned', 'drafted', 'signed'])
               [1 + n % 7 % 5] WHEN n % 101 = 7 THEN 'rejected' ELSE 'issued' END,
           'executor-' || n % 200, CASE WHEN is_open THEN lodged + interval '6 days' END,
           'R3 5.3', 'working-days-after-event', NULL, false, false, false, 'granted',
           CASE WHEN NOT is_open THEN 'HE-2026-' || n || '/1' END, lodged, lodged,
           CASE WHEN NOT is_open THEN lodged + interval '5 days' END, 0, n, n
    FROM (SELECT n, n % 19 = 0 AS is_open,
                 timestamptz '2026-11-01' - n * interval '1 minute' AS lodged
          FROM generate_series(1, {ROWS}) AS n) AS cases
    """,
    """
    INSERT INTO timeline (case_id, source, sequence, place, turn, event_id, type, kind, actor,
        recorded_at, said, topic, partition, "offset", effective)
    SELECT case_id, 'notify', 1, 1, turn, gen_random_uuid(), 'qyzmet.notify.result-issued.v1',
           'decision', 'staff:aigul', lodged_at, '{"way": "desk", "to": "applicant"}',
           'case-events', 0, "offset", effective FROM status
    """,
    """
    INSERT INTO notices (case_id, sequence, office, way, template, outcome, reason, at)
    SELECT case_id, 1, office, 'sms', 'result-ready', CASE WHEN "offset" % 50 = 0 THEN 'failed'
           ELSE 'sent' END, CASE WHEN "offset" % 50 = 0 THEN 'unknown-number' END, ended_at
    FROM status WHERE state = 'issued'
    """,
    """
    INSERT INTO names (case_id, words)
    SELECT case_id, ARRAY["offset" % 5000, 1000000 + "offset" % 700, 2000000 + "offset" % 90]
    FROM status
    """,
    """
    INSERT INTO members (staff, office, roles, active, sealed, event_id, type, sequence)
    SELECT 'executor-' || n, 'office-' || n % 10, '{responsible-executor}', true, 'erased',
           gen_random_uuid(), 'x', n FROM generate_series(0, 199) AS n
    """,
    "VACUUM (ANALYZE) status, timeline, notices, names, members",
]


class Watched(Plain):
    """A connection that explains what it is asked: for these parameters, and for any.

    Any: a pooled connection that has asked the same several times may come to plan so.
    """

    plans: list[dict[str, Any]]

    async def fetch(  # type: ignore[override]  # only as the lists call it
        self, query: str, *arguments: Any, **options: Any
    ) -> list[asyncpg.Record]:
        if not query.startswith(("EXPLAIN", "\nWITH", "\nSELECT", "SELECT case_id")):
            return await super().fetch(query, *arguments, **options)
        self.plans.append(_plan(await self.fetchval(f"EXPLAIN (FORMAT JSON) {query}", *arguments)))
        await self.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE any_plan AS {query}")
        nothing = f"({', '.join(['NULL'] * len(arguments))})"
        told = await self.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE any_plan {nothing}")
        await self.execute("DEALLOCATE any_plan; RESET plan_cache_mode")
        self.plans.append(_plan(told))
        return await super().fetch(query, *arguments, **options)


def _plan(told: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told)[0]["Plan"]
    return found


async def watched_connection(url: str) -> Watched:
    connection = await asyncpg.connect(
        url, server_settings={"search_path": "casebook"}, connection_class=Watched
    )
    assert isinstance(connection, Watched)
    connection.plans = []
    return connection


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(each for part in plan.get("Plans", []) for each in nodes(part))]


ONE = "office-3"
EARLY = NOW - timedelta(minutes=ROWS // 2)
PEOPLE = UUID("00000000-0000-4000-8000-000000000777")


def of(office: str | None) -> Conditions:
    wanted = Conditions()
    wanted.may("office = {}", office)
    return wanted


def period(column: str, office: str | None) -> Conditions:
    wanted = Conditions()
    wanted.may("notices.office = {}" if column == "at" else "office = {}", office)
    wanted.must(f"{column} >= {{}}", EARLY - timedelta(days=1))
    wanted.must(f"{column} < {{}}", EARLY)
    return wanted


def failed() -> Conditions:
    wanted = of(ONE)
    wanted.must("notices.outcome = 'failed'")
    wanted.texts[0] = "notices." + wanted.texts[0]
    return wanted


SEARCHES = {
    "newest": (Sought(offices=(ONE,)), NEWEST),
    "newest everywhere": (Sought(), NEWEST),
    "a period": (Sought(offices=(ONE,), lodged_from=EARLY, lodged_before=NOW), NEWEST),
    "a state": (Sought(offices=(ONE,), state="rejected"), NEWEST),
    "a state everywhere": (Sought(state="rejected"), NEWEST),
    "an open state": (Sought(offices=(ONE,), state="assigned"), NEWEST),
    "all that is over": (Sought(offices=(ONE,), state="over"), NEWEST),
    "a stage": (Sought(offices=(ONE,), stage="routing"), NEWEST),
    "late": (Sought(offices=(ONE,), is_late=True), MOST_URGENT),
    "an executor": (Sought(offices=(ONE,), executor="executor-13"), NEWEST),
    "an executor's open cases": (
        Sought(offices=(ONE,), executor="executor-13", state="open"), MOST_URGENT,
    ),
    "a procedure": (Sought(offices=(ONE,), procedure="home-education"), NEWEST),
    "a person": (Sought(offices=(ONE,), applicant=PEOPLE), NEWEST),
    "a number": (Sought(offices=(ONE,), number="HE-2026-503/1"), NEWEST),
    "everything": (
        Sought(
            offices=(ONE,), state="issued", executor="executor-13", procedure="home-education",
            lodged_from=EARLY, lodged_before=NOW,
        ),
        NEWEST,
    ),
}  # fmt: skip


async def asked_of_many(connection: Watched) -> dict[str, list[dict[str, Any]]]:
    """The plans of every list over the filled tables."""
    plans: dict[str, list[dict[str, Any]]] = {}

    def seen(what: str) -> None:
        plans[what], connection.plans = connection.plans, []

    for what, (sought, order) in SEARCHES.items():
        wanted = conditions_of(sought, order)
        rows, following = await search.listed(connection, wanted, order, Page(limit=20))
        assert rows, what
        if following is not None:
            page = Page(limit=20, after=following)
            await search.listed(connection, conditions_of(sought, order), order, page)
        seen(what)
    for office in (ONE, None):
        await queues.queue(connection, queues.Queue("executor", office), Page(limit=20))
        await results.listed(connection, period("ended_at", office), Page(limit=20))
        await notices.listed(connection, period("at", office), Page(limit=20))
        seen(f"queues and registers of {office}")
    await notices.listed(connection, failed(), Page(limit=20))
    seen("failed notices")
    assert await names.found(connection, [77, 1_000_077], 5_001)
    seen("a name")
    await workload.listed(connection, ONE, NOW - timedelta(days=30), Page(limit=20))
    seen("workload")
    await ages.listed(connection, of(ONE))
    seen("ages")
    return plans


async def test_no_list_reads_a_whole_table(database: str) -> None:
    connection = await watched_connection(database)
    try:
        await migrate(connection, MIGRATIONS, "casebook")
        for statement in FILL:
            await connection.execute(statement, timeout=100)
        plans = await asked_of_many(connection)
    finally:
        await connection.close()
    used = {}
    for what, found in plans.items():
        assert found, what
        for plan in found:
            scans = [each for each in nodes(plan) if each.get("Relation Name") != "members"]
            kinds = {each["Node Type"] for each in scans}
            assert "Seq Scan" not in kinds, (what, plan)
            assert kinds & {"Index Scan", "Bitmap Index Scan", "Index Only Scan"}, (what, plan)
        parts = [each for plan in found for each in nodes(plan)]
        used[what] = {each["Index Name"] for each in parts if "Index Name" in each}
    # Of two indexes that serve a list in its order, the planner takes the cheaper one.
    everywhere = {"status_by_lodging_everywhere"}
    assert used["newest"] <= {"status_by_lodging", *everywhere}
    assert used["newest everywhere"] == everywhere
    assert used["a state"] <= {"status_by_ending", "status_by_ending_everywhere"}
    assert used["an executor"] == {"status_by_executor"}
    assert used["a person"] == {"status_by_applicant"}
    assert used["a number"] == {"status_by_number"}
    assert used["a name"] == {"names_by_word"}
    assert "notices_failed" in used["failed notices"]
    for what in ("newest", "newest everywhere", "a period", "a state", "a state everywhere"):
        for plan in plans[what]:
            kinds = {each["Node Type"] for each in nodes(plan)}
            assert kinds.isdisjoint({"Sort", "Incremental Sort"}), f"{what} is read in order"
