"""The command line as a user has it: a process of its own, against a running system."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.environment import outer_environment
from deploy.local.system import LocalSystem
from services.casebook.cli.demo.people import AUTO, applicants
from services.casebook.cli.exits import Status

PROGRAM = Path(sys.executable).with_name("qyzmet")
WAIT_S = 90.0
SEED = time.time_ns() % 2**31


@dataclass(frozen=True)
class Qyzmet:
    """The program, told where the system is."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**outer_environment(), "QYZMET_FOLDER": str(self.folder)}

    def __call__(self, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(PROGRAM), *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )

    def json(self, *arguments: str, given: str = "", code: int | None = Status.OK) -> Any:
        """The answer as JSON; nothing else may be on stdout. `code` None: any."""
        done = self(*arguments, "-o", "json", given=given)
        assert code in (None, done.returncode), done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def qyzmet(running_system: LocalSystem) -> Qyzmet:
    """With the demo's staff in the directory."""
    found = Qyzmet(running_system.folder)
    done = found("demo", "--only-staff")
    assert done.returncode == Status.OK, done.stderr
    return found


def application(person: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "procedure": "employment-referral",
        "result_kind": "employment",
        "applicant": person,
        "documents": [{"kind": "identity-document", "state": "provided"}],
        "synthetic": True,
        **more,
    }


@pytest.fixture(scope="module")
def issued(qyzmet: Qyzmet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A case that ran straight through by rule."""
    file = tmp_path_factory.mktemp("issued") / "one.json"
    file.write_text(json.dumps([application(applicants(SEED, 1)[0])]), "utf-8")
    who = f"demo-auto-specialist@{AUTO}"
    until = time.monotonic() + WAIT_S
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


def test_status_shows_every_service_as_clean_json(qyzmet: Qyzmet) -> None:
    done = qyzmet("status", "-o", "json", "-q")
    assert done.returncode == Status.OK
    assert done.stderr == ""
    services = {row["service"]: row for row in json.loads(done.stdout)["services"]}
    assert len(services) == 6
    assert {row["state"] for row in services.values()} == {"ready"}


def test_a_table_has_no_colours_when_it_is_piped(qyzmet: Qyzmet) -> None:
    assert "\x1b" not in qyzmet("status").stdout


def test_a_case_is_shown_by_id_and_by_number(qyzmet: Qyzmet, issued: str) -> None:
    case = qyzmet.json("case", "show", issued)
    assert case["outcome"] == "granted"
    assert qyzmet.json("case", "show", case["registration_number"].lower()) == case


def test_a_timeline_has_actors_clauses_and_dues_and_no_person(qyzmet: Qyzmet, issued: str) -> None:
    done = qyzmet("case", "timeline", issued, "-o", "jsonl")
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    spine = [fact["type"].split(".")[2] for fact in facts if fact["kind"] != "statement"]
    assert spine == [
        "application-lodged",
        "application-registered",
        "executor-assigned",
        "notification-drafted",
        "notification-signed",
        "result-issued",
    ]
    assert facts[2]["clauses"] == ["R4 5.2"]
    person = applicants(SEED, 1)[0]
    assert str(person["iin"]) not in done.stdout
    assert str(person["surname"]) not in done.stdout


def test_cases_are_found_by_state_and_by_person(qyzmet: Qyzmet, issued: str) -> None:
    person, specialist = applicants(SEED, 1)[0], f"demo-auto-specialist@{AUTO}"
    of_state = qyzmet.json("case", "list", "--state", "issued", "--office", AUTO)
    assert issued in {row["case_id"] for row in of_state}
    assert qyzmet.json("case", "list", "--state", "open", "--office", "nowhere") == []
    found = qyzmet.json("case", "list", "--by", "iin", given=str(person["iin"]))
    assert [row["case_id"] for row in found] == [issued]
    name = f"{person['surname']} {person['given_name']}".upper()
    until = time.monotonic() + WAIT_S
    while not (rows := qyzmet.json("case", "list", "--by", "name", "--as", specialist, given=name)):
        assert time.monotonic() < until
    assert issued in {row["case_id"] for row in rows}
    refused = qyzmet("case", "list", "--by", "name", given=name)
    assert refused.returncode == Status.FAILED
    assert str(person["surname"]).upper() not in refused.stderr
    assert "as of" in qyzmet("case", "list").stderr
    assert qyzmet("case", "list", "-q").stderr == ""


def test_the_office_as_a_whole_is_listed(qyzmet: Qyzmet, issued: str) -> None:
    results = qyzmet.json("office", "results", "--outcome", "granted")
    [mine] = [row for row in results if row["case_id"] == issued]
    assert mine["way"] == "personal-account"
    assert "personal-account" in qyzmet("office", "results").stdout
    loads = [row for row in qyzmet.json("office", "workload") if row["office"] == AUTO]
    assert sum(row["issued"] for row in loads) >= 1
    for command in (["ages"], ["notices"], ["notices", "--outcome", "failed"]):
        assert qyzmet("office", *command).returncode == Status.OK
        qyzmet.json("office", *command)
    # Other tests of the session have left applications there.
    waiting = qyzmet.json("queue", "to-register")
    assert all(row["stage"] == "intake" and row["case_id"] != issued for row in waiting)
    assert len(qyzmet.json("queue", "to-register", "--limit", "1")) == min(1, len(waiting))


def test_an_unknown_case_is_a_failure_in_words(qyzmet: Qyzmet) -> None:
    done = qyzmet("case", "show", "00000000-0000-7000-8000-00000000abcd")
    assert done.returncode == Status.FAILED
    assert done.stdout == ""
    assert "casebook said no (404)" in done.stderr
    assert qyzmet("case", "show", "ER-2026-0000-0000-0000").returncode == Status.FAILED


def test_bad_lines_are_named_and_a_repeat_changes_nothing(
    qyzmet: Qyzmet, issued: str, tmp_path: Path
) -> None:
    people = applicants(SEED + 1, 4)
    lines = [
        json.dumps(application(people[0])),
        "{no json",
        json.dumps(application({**people[1], "iin": "880101300018"})),
        json.dumps(application(people[2], procedure="unemployed-certificate")),
        json.dumps(application(people[3], nonsense=True)),
    ]
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    first = {row["line"]: row for row in qyzmet.json("submit", str(file), code=Status.PARTIAL)}
    assert {line: row["outcome"] for line, row in first.items()} == {
        1: "accepted", 2: "failed", 3: "failed", 4: "failed", 5: "failed",
    }  # fmt: skip
    assert first[3]["field"] == "applicant.iin"
    assert "deleted" in first[4]["found"]
    second = {row["line"]: row for row in qyzmet.json("submit", str(file), code=Status.PARTIAL)}
    assert second[1]["outcome"] == "repeated"
    assert second[1]["case_id"] == first[1]["case_id"]
    for done in (first, second):
        assert not any("88010130" in str(row) for row in done.values())


def test_submit_reads_a_pipe_and_fails_when_every_line_does(qyzmet: Qyzmet) -> None:
    rows = qyzmet.json("submit", "-", given='{"procedure": "x"}\n', code=Status.FAILED)
    assert [row["outcome"] for row in rows] == ["failed"]
    assert qyzmet("submit", "/no/such/file").returncode == Status.USAGE


def test_the_log_is_listed_without_its_sealed_parts(qyzmet: Qyzmet, issued: str) -> None:
    rows = qyzmet.json("events", "list", "--case", issued, "--type", "application-lodged")
    assert [row["data"]["private"] for row in rows] == ["sealed"]
    assert rows[0]["subject"] == issued
    assert len(qyzmet.json("events", "list", "--limit", "3")) == 3
    assert qyzmet.json("events", "list", "--since", "0s") == []


def test_tail_ends_cleanly_on_ctrl_c(qyzmet: Qyzmet, issued: str) -> None:
    command = [str(PROGRAM), "events", "tail", "--since", "1h", "--case", issued, "-o", "jsonl"]
    with subprocess.Popen(
        command, env=qyzmet.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["subject"] == issued
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(WAIT_S) == Status.INTERRUPTED
        assert "Traceback" not in process.stderr.read()


def test_nothing_stands_aside(qyzmet: Qyzmet, issued: str) -> None:
    assert qyzmet.json("parked", "list") == []
    assert qyzmet("parked", "show", issued).returncode == Status.FAILED
    assert qyzmet("parked", "retry", issued, "--reason", "test").returncode == Status.FAILED
    wrong = qyzmet("parked", "skip", issued, "--record", "7", "--reason", "test")
    assert wrong.returncode == Status.USAGE


def test_mending_is_a_dry_run_and_refuses_while_services_run(qyzmet: Qyzmet) -> None:
    assert qyzmet("log", "repair").returncode == Status.OK
    assert qyzmet("log", "repair", "--apply").returncode == Status.USAGE
    done = qyzmet("log", "repair", "--apply", "--yes")
    assert done.returncode == Status.FAILED
    assert "stop all services first" in done.stderr
    assert qyzmet("log", "republish").returncode == Status.FAILED


@contextmanager
def tampered(system: LocalSystem, change: str, restore: str, case_id: str) -> Iterator[None]:
    """As the owner of the database, past the triggers; put back afterwards."""

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(system.environment.database_url, timeout=10)
        try:
            await connection.execute("SET session_replication_role = replica")
            assert await connection.execute(statement, case_id) == "UPDATE 1"
        finally:
            await connection.close()

    asyncio.run(run(change))
    try:
        yield
    finally:
        asyncio.run(run(restore))


def test_verify_finds_the_row_that_was_tampered_with(
    running_system: LocalSystem, qyzmet: Qyzmet, issued: str
) -> None:
    before = qyzmet.json("audit", "verify")
    assert before["ok"], before
    change = """UPDATE signing.journal SET data = replace(data, 'signed_at', 'signed-at')
                WHERE case_id = $1::text::uuid AND sequence = 1"""
    restore = """UPDATE signing.journal SET data = replace(data, 'signed-at', 'signed_at')
                 WHERE case_id = $1::text::uuid AND sequence = 1"""
    with tampered(running_system, change, restore, issued):
        found = qyzmet.json("audit", "verify", code=Status.DIFFERENCES)
    assert not found["ok"]
    flaws = {finding["flaw"]: finding for finding in found["findings"]}
    assert set(flaws) == {"a journal row is not what was recorded", "log and journal differ"}
    for finding in flaws.values():
        assert (finding["source"], finding["case_id"], finding["sequence"]) == (
            "signing", issued, 1,
        )  # fmt: skip
    assert qyzmet.json("audit", "verify")["ok"]


def test_erasing_needs_yes_and_takes_no_iin_as_an_argument(qyzmet: Qyzmet, issued: str) -> None:
    iin = str(applicants(SEED, 1)[0]["iin"])
    assert qyzmet("keys", "erase", iin).returncode == Status.USAGE
    assert qyzmet("keys", "erase", given=iin).returncode == Status.USAGE
    rows = qyzmet.json("keys", "erase", "--yes", "--iin-file", "-", given=f"{iin}\n")
    assert rows == [{"case_id": issued, "erased": True}]
    again = qyzmet("keys", "erase", "--yes", given=iin)
    assert again.returncode == Status.FAILED
    assert iin not in again.stdout + again.stderr


@pytest.mark.timeout(300)
def test_the_demo_goes_as_it_is_written_and_can_be_seen_step_by_step(
    running_system: LocalSystem, qyzmet: Qyzmet
) -> None:
    done = subprocess.run(
        [str(PROGRAM), "demo", "-o", "jsonl"],
        env=qyzmet.environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    results = [line for line in told if line["told"] == "result"]
    assert [line for line in results if not line["ok"]] == []
    assert done.returncode == Status.OK
    kinds = {line["result_kind"] for line in results if line["procedure"] == "employment-referral"}
    assert len(kinds) == 6
    assert {line["state"] for line in results} == {"issued", "withdrawn", "rejected", None}
    assert {line["outcome"] for line in results} == {"granted", "refused", None}
    assert sum(line["told"] == "refusal" for line in told) == 4
