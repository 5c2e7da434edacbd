"""Who opened what is noted before it is opened; cases go out with a proof; no trace is left."""

import ast
import copy
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.environment import outer_environment
from deploy.local.system import LocalSystem
from services.casebook.case_document import proven
from services.casebook.case_order import CaseOrder
from services.casebook.cli.demo.people import AUTO, MAIN, applicants
from services.casebook.cli.exits import Status
from services.casebook.comparing import KEYS
from services.casebook.evidence import LogRecord
from services.casebook.expectation import TABLES
from shared.errors import Unavailable
from shared.identifiers import ApplicantRef, CaseId, EventId, Role, new_id
from shared.messaging.log import open_log
from shared.messaging.topics import TOPICS
from shared.postgres.migrations import migrate
from shared.postgres.pool import Pool, open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import MasterKeys
from shared.privacy.openings import Opener, Purpose, openings_of
from tests.any_auditor import faults_in
from tests.facts import CaseFacts

PROGRAM = Path(sys.executable).with_name("qyzmet")
MASTER = MasterKeys({1: b"1" * 32}, current=1)
AIGUL = Opener("aigul", frozenset({Role.OFFICE_SPECIALIST}), "almaly", Purpose.COMPLAINT)
WAIT_S = 90.0

# ---- the list of openings -----------------------------------------------------------------------


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with await open_pool(database, schema="public", application_name="test") as pool:
        async with pool.acquire() as connection:
            await migrate(connection, files("shared.privacy") / "migrations", "public")
        yield pool


@pytest.fixture
def vault(pool: Pool) -> Vault:
    return Vault(pool, MASTER, b"l" * 32, timeout_s=1.0)


async def kept(vault: Vault) -> CaseId:
    case_id = CaseId(new_id())
    await vault.create_keys({case_id: ApplicantRef(new_id())})
    return case_id


def some_events(count: int) -> list[EventId]:
    return sorted(EventId(new_id()) for _ in range(count))


async def test_who_opens_stands_in_the_list(vault: Vault, pool: Pool) -> None:
    case_id, events = await kept(vault), some_events(2)
    keys = await vault.open_keys({case_id: events}, AIGUL)
    assert keys == await vault.keys([case_id])
    [opening] = await openings_of(pool, case_id)  # type: ignore[arg-type]
    assert (opening.staff, opening.roles, opening.office) == (
        "aigul", ("office-specialist",), "almaly",
    )  # fmt: skip
    assert (opening.purpose, list(opening.events)) == ("complaint", events)


async def test_what_runs_by_itself_is_not_in_the_list(vault: Vault, pool: Pool) -> None:
    case_id = await kept(vault)
    assert await vault.keys([case_id])
    assert await openings_of(pool, case_id) == []  # type: ignore[arg-type]


async def test_each_opening_counts_and_each_case_has_its_own_line(vault: Vault, pool: Pool) -> None:
    cases = [await kept(vault) for _ in range(3)]
    for _ in range(2):
        await vault.open_keys({case_id: some_events(1) for case_id in cases}, AIGUL)
    for case_id in cases:
        assert len(await openings_of(pool, case_id)) == 2  # type: ignore[arg-type]


async def test_nothing_is_opened_that_cannot_be_noted(vault: Vault, pool: Pool) -> None:
    case_id = await kept(vault)
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE openings IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable):
            await vault.open_keys({case_id: some_events(1)}, AIGUL)
    await pool.execute("ALTER TABLE openings RENAME TO elsewhere")
    with pytest.raises(asyncpg.UndefinedTableError):
        await vault.open_keys({case_id: some_events(1)}, AIGUL)
    await pool.execute("ALTER TABLE elsewhere RENAME TO openings")
    assert await openings_of(pool, case_id) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE openings SET staff = 'nobody'",
        "DELETE FROM openings",
        "TRUNCATE openings",
    ],
)
async def test_the_list_only_grows(vault: Vault, pool: Pool, statement: str) -> None:
    await vault.open_keys({await kept(vault): some_events(1)}, AIGUL)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(statement)


async def test_the_list_outlives_the_keys(vault: Vault, pool: Pool) -> None:
    case_id = await kept(vault)
    await vault.open_keys({case_id: some_events(1)}, AIGUL)
    await vault.erase([case_id])
    assert await vault.open_keys({case_id: some_events(1)}, AIGUL) == {}
    assert len(await openings_of(pool, case_id)) == 1, "what is erased was not opened again"  # type: ignore[arg-type]


# ---- the order of cases -------------------------------------------------------------------------


def test_cases_come_whole_and_in_the_order_of_the_log_however_small_the_memory() -> None:
    cases = [CaseFacts() for _ in range(20)]
    told = [case.straight_through() for case in cases]
    records = [
        LogRecord("case-events", place % 4, offset * 20 + place, w.key, tuple(w.headers), w.value)
        for offset in range(6)
        for place, written in enumerate(told)
        for w in [written[offset]]
    ]
    with CaseOrder(run_bytes_max=3000) as order:
        for record in records:
            order.take(record)
        found = list(order.cases())
    assert [case_id for case_id, _ in found] == sorted(case.case_id for case in cases)
    by_key = {
        case_id: [r for r in records if r.key == str(case_id).encode()] for case_id, _ in found
    }
    assert dict(found) == by_key


def test_a_record_of_no_case_is_a_case_of_its_own() -> None:
    strange = [LogRecord("case-events", 0, n, None, (), None) for n in range(3)]
    with CaseOrder() as order:
        for record in strange:
            order.take(record)
        assert [records for _, records in order.cases()] != [strange]
        assert sum(len(records) for _, records in order.cases()) == 3


def test_every_table_that_the_log_determines_is_compared() -> None:
    assert {table.name for table in TABLES} | {"offsets"} == set(KEYS)


# ---- the proof ----------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    """The file of a case that ran straight through."""
    case = CaseFacts()
    records = [
        LogRecord("case-events", 0, offset, each.key, tuple(each.headers), each.value)
        for offset, each in enumerate(case.straight_through())
    ]
    found = {"format": "qyzmet.case-file.v1", **proven(case.case_id, records)}
    written: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return written


def test_a_stranger_finds_a_case_file_proven() -> None:
    assert faults_in(document()) == []


@pytest.mark.parametrize("place", range(6))
def test_a_stranger_finds_a_case_file_that_was_changed(place: int) -> None:
    for spoil in ("data", "attributes"):
        spoilt = document()
        fact = spoilt["facts"][place]
        fact[spoil] = fact[spoil].replace("2026", "2027", 1)
        assert faults_in(spoilt)
    for spoil in ("hash", "prevhash"):
        spoilt = document()
        spoilt["facts"][place][spoil] = "f" * 64
        assert faults_in(spoilt)
    left_out = document()
    del left_out["facts"][place]
    assert faults_in(left_out)


def test_the_stranger_shares_nothing_with_us() -> None:
    text = (Path(__file__).parents[1] / "any_auditor.py").read_text("utf-8")
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names <= set(sys.stdlib_module_names)


# ---- a running system ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Qyzmet:
    """The program, told where the system is."""

    folder: Path

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(PROGRAM), *arguments],
            env={**outer_environment(), "QYZMET_FOLDER": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )

    def json(self, *arguments: str, code: int | None = Status.OK) -> Any:
        done = self(*arguments, "-o", "json")
        assert code in (None, done.returncode), done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def qyzmet(running_system: LocalSystem) -> Qyzmet:
    found = Qyzmet(running_system.folder)
    done = found("demo", "--only-staff")
    assert done.returncode == Status.OK, done.stderr
    return found


@pytest.fixture(scope="module")
def issued(qyzmet: Qyzmet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A case that ran straight through by rule."""
    file = tmp_path_factory.mktemp("audited") / "one.json"
    person = applicants(time.time_ns() % 2**31, 1)[0]
    lines = [
        {
            "procedure": "employment-referral",
            "result_kind": "employment",
            "applicant": person,
            "documents": [{"kind": "identity-document", "state": "provided"}],
            "synthetic": True,
        }
    ]
    file.write_text(json.dumps(lines), "utf-8")
    until = time.monotonic() + WAIT_S
    who = f"demo-auto-specialist@{AUTO}"
    while True:
        rows = qyzmet.json("submit", str(file), "--as", who, code=None)
        if rows[0]["outcome"] in ("accepted", "repeated"):
            break
        assert time.monotonic() < until, rows  # intake has not read of the staff yet
        time.sleep(0.5)
    case_id = str(rows[0]["case_id"])
    while qyzmet.json("case", "show", case_id)["state"] != "issued":
        assert time.monotonic() < until
        time.sleep(0.3)
    return case_id


def test_a_running_system_is_as_it_was_told(qyzmet: Qyzmet, issued: str) -> None:
    found = qyzmet.json("audit", "verify")
    assert found["ok"], found["findings"]
    assert found["log"]["cases"] >= 2
    assert found["casebook"]["rows"] >= 8
    assert {stage["stage"] for stage in found["stages"]} == {
        "intake", "routing", "executor", "signing", "notify",
    }  # fmt: skip
    assert "signed" in found["not_proven"][0], "what cannot be shown is said"
    assert qyzmet("audit", "verify").stdout.count("Not proven") == 1


async def test_what_was_changed_in_a_running_system_ends_with_exit_3(
    qyzmet: Qyzmet, issued: str, running_system: LocalSystem
) -> None:
    connection = await asyncpg.connect(running_system.environment.database_url, timeout=10)
    try:
        change = "UPDATE casebook.status SET outcome = $2 WHERE case_id = $1"
        await connection.execute(change, issued, "refused")
        done = qyzmet("audit", "verify", "-o", "json")
        await connection.execute(change, issued, "granted")
    finally:
        await connection.close()
    assert done.returncode == Status.DIFFERENCES
    [finding] = json.loads(done.stdout)["findings"]
    assert finding["row"] == f"casebook.status {issued} outcome"
    assert (finding["expected"], finding["found"]) == ("granted", "refused")
    assert "1 findings" in done.stderr


def test_a_case_goes_out_with_its_proof(qyzmet: Qyzmet, issued: str, tmp_path: Path) -> None:
    out = tmp_path / "case.json"
    done = qyzmet("audit", "export", issued, "--out", str(out))
    assert done.returncode == Status.OK, done.stderr
    exported = json.loads(out.read_text("utf-8"))
    assert faults_in(exported) == []
    assert exported["case_id"] == issued
    assert len(exported["facts"]) >= 6
    assert json.loads(qyzmet("audit", "export", issued).stdout)["facts"] == exported["facts"]
    assert qyzmet("audit", "export", str(new_id())).returncode == Status.FAILED


def test_who_saw_a_case_is_listed(qyzmet: Qyzmet, issued: str) -> None:
    assert qyzmet.json("audit", "who-saw", issued) == []
    who = f"demo-auto-specialist@{AUTO}"
    plain = qyzmet("case", "timeline", issued, "--as", who, "-o", "json").stdout
    assert '"surname"' not in plain
    opened = qyzmet("case", "timeline", issued, "--as", who, "--open-for", "court", "-o", "json")
    assert '"surname"' in opened.stdout
    for stranger in (f"demo-specialist@{MAIN}", "demo-operator"):
        refused = qyzmet("case", "timeline", issued, "--as", stranger, "--open-for", "audit")
        assert refused.returncode == Status.FAILED
    [seen] = qyzmet.json("audit", "who-saw", issued)
    assert (seen["staff"], seen["office"], seen["purpose"]) == (
        "demo-auto-specialist", AUTO, "court",
    )  # fmt: skip
    assert seen["roles"] == ["office-specialist"]
    assert len(seen["events"]) == 2, "the application, the notification"
    assert "1" in qyzmet("audit", "who-saw", issued).stdout


async def test_a_replay_finds_the_same_and_leaves_no_trace(
    qyzmet: Qyzmet, issued: str, running_system: LocalSystem, tmp_path: Path
) -> None:
    before = await traces(running_system)
    facts = [
        json.loads(line) for line in qyzmet("replay", issued, "-o", "jsonl").stdout.splitlines()
    ]
    assert {fact["verdict"] for fact in facts} <= {"same", "same as far as it can be known"}
    assert [fact["clauses"] for fact in facts[:3]] == [["R4 5.1"], ["R4 5.1"], ["R4 5.2"]]
    inspection = tmp_path / "inspection.json"
    done = qyzmet("replay", "--inspection", str(inspection))
    assert done.returncode == Status.OK, done.stdout
    found = json.loads(inspection.read_text("utf-8"))
    assert faults_in(found) == []
    assert found["totals"]["differs"] == found["totals"]["cannot be decided again"] == 0
    chosen = qyzmet.json("replay", "--office", AUTO, "--outcome", "granted", "--since", "1h")
    assert faults_in(chosen) == []
    assert issued in {case["case_id"] for case in chosen["cases"]}
    assert qyzmet.json("replay", "--office", "nowhere")["cases"] == []
    assert await traces(running_system) == before


def test_a_stranger_finds_an_inspection_that_was_changed(qyzmet: Qyzmet, issued: str) -> None:
    found = qyzmet.json("replay", issued)
    assert faults_in(found) == []
    told = found["cases"][0]["facts"][2]
    for spoil in (
        {"replay": {**told["replay"], "actor": "staff:nobody"}},
        {"replay": {**told["replay"], "verdict": "differs"}},
        {"replay": {**told["replay"], "due": None}},
        {"data": told["data"].replace("executor", "Executor")},
    ):
        spoilt = copy.deepcopy(found)
        spoilt["cases"][0]["facts"][2].update(spoil)
        assert faults_in(spoilt)


async def traces(system: LocalSystem) -> dict[str, object]:
    """How much there is in the log and in every table that a command could write."""
    async with open_log(system.environment.kafka, [topic.name for topic in TOPICS]) as log:
        found: dict[str, object] = {"log": await log.ends()}
    for url in (system.environment.database_url, system.environment.privacy_url):
        connection = await asyncpg.connect(url, timeout=10)
        try:
            tables = await connection.fetch(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
                " AND tablename <> 'offsets'"
            )
            for row in tables:
                name = f'"{row["schemaname"]}"."{row["tablename"]}"'
                found[name] = await connection.fetchval(f"SELECT count(*) FROM {name}")
        finally:
            await connection.close()
    return found
