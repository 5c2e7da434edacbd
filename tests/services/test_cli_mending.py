"""The log lost, cut and spoilt, and mended by the command line: with a system of its own."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from deploy.local.system import LocalSystem
from services.casebook.cli.demo.people import AUTO, applicants
from services.casebook.cli.exits import Status
from services.casebook.journals import facts_in_order, open_journals, schemas_of_stages
from shared.identifiers import CaseId, Source, Step
from shared.journal.resending import resending
from shared.messaging.topics import TOPICS, create_topics, delete_topics
from tests.facts import CaseFacts, publish
from tests.faults.stand import standing
from tests.services.test_cli_system import Qyzmet, application

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

CASES = 8
WAIT_S = 60.0
NAMES = [topic.name for topic in TOPICS]
STATUS = """
SELECT case_id, registration_number, state, outcome, result_number, executor, ended_at
FROM casebook.status ORDER BY case_id
"""


@pytest.fixture(scope="module")
async def system() -> AsyncIterator[LocalSystem]:
    async with standing("mending") as found:
        yield found


@pytest.fixture(scope="module")
def qyzmet(system: LocalSystem) -> Qyzmet:
    return Qyzmet(system.folder)


@pytest.fixture(scope="module")
async def cases(
    system: LocalSystem, qyzmet: Qyzmet, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Cases that ran straight through by rule."""
    assert qyzmet("demo", "--only-staff").returncode == Status.OK
    file = tmp_path_factory.mktemp("cases") / "cases.json"
    file.write_text(json.dumps([application(person) for person in applicants(7, CASES)]), "utf-8")
    until = time.monotonic() + WAIT_S
    who = f"demo-auto-specialist@{AUTO}"
    while True:
        rows = qyzmet.json("submit", str(file), "--as", who, code=None)
        if all(row["outcome"] in ("accepted", "repeated") for row in rows):
            break
        assert time.monotonic() < until, rows
    found = [str(row["case_id"]) for row in rows]
    await shown(system, CASES, until)
    return found


async def shown(system: LocalSystem, ended: int, until: float) -> list[tuple[object, ...]]:
    """What casebook says of all cases, once so many are over."""
    while True:
        connection = await asyncpg.connect(system.environment.database_url, timeout=10)
        try:
            rows = [tuple(row) for row in await connection.fetch(STATUS)]
        except asyncpg.UndefinedTableError:
            rows = []
        finally:
            await connection.close()
        if sum(row[-1] is not None for row in rows) >= ended:
            return rows
        assert time.monotonic() < until, rows
        await asyncio.sleep(0.3)


async def stop_services(system: LocalSystem) -> None:
    for service in system.services.values():
        await asyncio.to_thread(service.stop)


async def start_services(system: LocalSystem) -> None:
    for service in system.services.values():
        service.start()
    for service in system.services.values():
        await asyncio.to_thread(service.wait_ready, WAIT_S)


async def cut(system: LocalSystem, kept: int) -> None:
    """A log that is older: made anew, with the first facts only."""
    kafka = system.environment.kafka
    await delete_topics(kafka, NAMES)
    await create_topics(kafka)
    connection = await open_journals(system.environment.database_url)
    try:
        async with connection.transaction(), resending(kafka) as resend:
            async for rows in facts_in_order(connection, await schemas_of_stages(connection)):
                await resend(rows[:kept])
                break
    finally:
        await connection.close()


async def test_a_log_that_is_lost_is_written_anew_and_all_is_as_before(
    system: LocalSystem, qyzmet: Qyzmet, cases: list[str]
) -> None:
    before = await shown(system, CASES, time.monotonic() + WAIT_S)
    assert qyzmet.json("audit", "verify")["ok"]
    await stop_services(system)
    await delete_topics(system.environment.kafka, NAMES)
    assert qyzmet("audit", "verify").returncode == Status.FAILED
    assert qyzmet("log", "republish").returncode == Status.OK
    done = qyzmet("log", "republish", "--apply", "--yes")
    assert done.returncode == Status.OK, done.stderr
    assert qyzmet.json("audit", "verify")["ok"]
    again = qyzmet("log", "republish", "--apply", "--yes", "--replace")
    assert again.returncode == Status.OK, again.stderr
    await start_services(system)
    assert await shown(system, CASES, time.monotonic() + WAIT_S) == before
    found = qyzmet.json("audit", "verify")
    assert found["ok"]
    assert found["log"]["duplicates"] == 0


async def test_a_log_that_is_older_is_brought_up_to_the_journals(
    system: LocalSystem, qyzmet: Qyzmet, cases: list[str]
) -> None:
    before = await shown(system, CASES, time.monotonic() + WAIT_S)
    await stop_services(system)
    await cut(system, kept=20)
    lost = qyzmet.json("audit", "verify", code=Status.DIFFERENCES)
    assert set(lost["counts"]) == {
        "published, but not in the log",
        "an offset is not of this log",
        "a projection is not what the log tells",
    }
    assert qyzmet("log", "republish", "--apply", "--yes").returncode == Status.FAILED
    done = qyzmet("log", "repair", "--apply", "--yes")
    assert done.returncode == Status.OK, done.stderr
    assert qyzmet.json("audit", "verify")["ok"]
    await start_services(system)
    assert await shown(system, CASES, time.monotonic() + WAIT_S) == before


async def test_a_record_that_nobody_can_read_is_parked_and_skipped_with_a_reason(
    system: LocalSystem, qyzmet: Qyzmet, cases: list[str]
) -> None:
    stranger = CaseFacts(case_id=CaseId(UUID(cases[0])))
    record = stranger.overdue(Source.INTAKE, Step.REGISTER)
    bad = record.but(sequence=b"none")
    [(partition, offset)] = await publish(system.environment.kafka, [bad])
    until = time.monotonic() + WAIT_S
    while len({row["stage"] for row in qyzmet.json("parked", "list")}) < len(Source):
        assert time.monotonic() < until
    rows = qyzmet.json("parked", "show", cases[0])
    assert {row["record"] for row in rows} == {f"{partition}:{offset}"}
    retried = qyzmet("parked", "retry", cases[0], "--reason", "a test")
    assert retried.returncode == Status.FAILED
    assert "a retry has to succeed as a whole" in retried.stderr
    name = f"{partition}:{offset}"
    skipped = qyzmet.json("parked", "skip", cases[0], "--record", name, "--reason", "a test")
    assert {row["stage"] for row in skipped} == {source.value for source in Source}
    while left := qyzmet.json("parked", "list"):
        assert time.monotonic() < until, json.dumps(left, indent=1)
    found = qyzmet.json("audit", "verify", code=Status.DIFFERENCES)
    assert [finding["record"] for finding in found["findings"]] == [
        f"case-events {partition}:{offset}"
    ] * len(found["findings"])
