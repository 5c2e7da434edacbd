"""Two builds and one log: the old version of an event folds in a newer build, a newer version
waits in an older one, and a database of a newer build is not opened by an older one.

The second version stands in this test only: `ExecutorAssigned` also says by which clause.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from deploy.local.broker import LocalBroker
from services.casebook import arrivals, opening, verification
from services.casebook.evidence import Findings, LogRecord
from services.casebook.opening import Block
from services.casebook.schemas import MIGRATIONS as CASEBOOK_MIGRATIONS
from services.casebook.settings import Settings
from services.executor.commands import RequestPaper
from shared.errors import Because, Refused
from shared.events import catalogue, codec, upcasts
from shared.events.routing import ExecutorAssigned
from shared.identifiers import Clause, Source
from shared.journal.restore import AnotherLog
from shared.journal.service import MIGRATIONS
from shared.messaging.topics import create_topics
from shared.postgres.migrations import migrate, read_migrations
from shared.postgres.pool import open_pool
from tests.facts import CaseFacts, Written
from tests.readside import ReadSide, read_side, settings_of
from tests.stages import Site, staff

ROOT: Final = Path(__file__).parents[2]
SAMPLE: Final = (
    ROOT / "tests" / "contracts" / "samples" / "qyzmet.routing.executor-assigned.v1.json"
).read_bytes()
FIRST: Final = "qyzmet.routing.executor-assigned.v1"
SECOND: Final = "qyzmet.routing.executor-assigned.v2"


class ExecutorAssignedByClause(ExecutorAssigned):
    """The second version: the clause stands in the event itself."""

    basis: Clause


def with_basis(data: dict[str, Any]) -> dict[str, Any]:
    """The first version as the second: the clause of this step is the same in all editions."""
    return {**data, "basis": "R3 5.2"}


@contextmanager
def newer_build() -> Iterator[None]:
    """As if the code were of the build that brought the second version."""
    entry = replace(catalogue.BY_TYPE[FIRST], type=SECOND, model=ExecutorAssignedByClause)
    by_type = {**catalogue.BY_TYPE, SECOND: entry}
    del by_type[FIRST]
    steps = MappingProxyType({FIRST: (SECOND, with_basis)})
    by_model = {(each.model, each.owner): each for each in by_type.values()}
    with pytest.MonkeyPatch.context() as patched:
        for module in (catalogue, codec, opening, arrivals, verification):
            patched.setattr(module, "BY_TYPE", MappingProxyType(by_type))
        for module in (upcasts, codec, arrivals):
            patched.setattr(module, "UPCASTS", steps)
        patched.setattr(catalogue, "_BY_MODEL", MappingProxyType(by_model))
        yield


@pytest.fixture
async def side(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    """Casebook's fold on a database of its own."""
    async with read_side(broker.bootstrap, database) as found:
        yield found


def assigned_anew(case: CaseFacts) -> Written:
    """What the newer build tells."""
    event = ExecutorAssignedByClause(
        executor="bolat", assigned_at=case.clock, due=case.due(6, "R3 5.3"), basis="R3 5.2"
    )
    return case.tell(Source.ROUTING, event, actor="staff:head")


def old_case() -> CaseFacts:
    """A case that an older build has brought to the executor: all of it in first versions."""
    case = CaseFacts()
    case.lodged()
    case.registered()
    case.assigned("bolat")
    assert dict(case.written[-1].headers)["ce_type"] == FIRST.encode()
    return case


def new_case() -> CaseFacts:
    """The same of the newer build."""
    case = CaseFacts()
    case.lodged()
    case.registered()
    with newer_build():
        assigned_anew(case)
    assert dict(case.written[-1].headers)["ce_type"] == SECOND.encode()
    return case


def asks(case: CaseFacts) -> RequestPaper:
    """Only the executor who was named may do this, and only while the case is there."""
    return RequestPaper(case.case_id, actor="staff:bolat", papers=("school-certificate",))


# ---- what an older build wrote ------------------------------------------------------------------


def test_the_sample_of_the_first_version_is_read_as_the_second() -> None:
    with newer_build():
        entry, event = codec.decode(FIRST, SAMPLE)
    assert entry.type == SECOND
    assert isinstance(event, ExecutorAssignedByClause)
    assert event.basis == "R3 5.2"
    first = json.loads(SAMPLE)
    second = json.loads(codec.encode(event))
    assert second == {**first, "basis": "R3 5.2"}


def test_an_audit_of_a_newer_build_knows_who_held_a_case_of_an_older_one() -> None:
    findings = Findings()
    ledger = verification.LogLedger(findings)
    for offset, told in enumerate(CaseFacts().straight_through()):
        headers = tuple(told.headers)
        ledger.take(LogRecord(told.topic, 0, offset, told.key, headers, told.value))
    with newer_build():
        ledger.conclude()
        ledger.judge()
    assert findings.kept == []


async def test_a_case_of_an_older_build_goes_on_in_a_stage_of_a_newer_one(site: Site) -> None:
    case = old_case()
    await site.tell([*staff(), *case.written])
    with newer_build():
        executor = await site.start(Source.EXECUTOR)
        await executor.read()
        assert await executor.parked(case.case_id) is None
        executor.send()
        await executor.perform(asks(case), office="almaly")
        assert await executor.events(case.case_id) == ["paper-requested"]


async def test_a_case_of_an_older_build_is_folded_by_casebook(side: ReadSide) -> None:
    case = old_case()
    with newer_build():
        async with side.folding():
            await side.tell(*case.written)
        row = await side.pool.fetchrow("SELECT * FROM status WHERE case_id = $1", case.case_id)
        assert row is not None
        assert (row["state"], row["stage"], row["executor"]) == ("assigned", "executor", "bolat")
        last = await side.pool.fetchrow(
            "SELECT * FROM timeline WHERE case_id = $1 AND source = 'routing'", case.case_id
        )
        assert last is not None
        assert json.loads(last["said"])["basis"] == "R3 5.2"
        block = Block(case.case_id, last["event_id"], last["type"], last["sealed"])
        assert opening._opened(block, case.key).opened == {"text": "please hurry"}


# ---- what a newer build wrote -------------------------------------------------------------------


async def test_a_case_of_a_newer_build_waits_in_an_older_stage_and_no_other_does(
    site: Site,
) -> None:
    case, other = new_case(), old_case()
    await site.tell([*staff(), *case.written, *other.written])
    executor = await site.start(Source.EXECUTOR)
    await executor.read()
    assert (
        await executor.parked(case.case_id) == f"unknown type {SECOND}, where this build knows v1"
    )
    with pytest.raises(Refused, match="unknown type") as refused:
        await executor.perform(asks(case), office="almaly")
    assert refused.value.because is Because.STATE
    executor.send()
    await executor.perform(asks(other), office="almaly")
    with newer_build():
        assert await executor.resolving.retry_unknown() == 1
        assert await executor.parked(case.case_id) is None
        await executor.perform(asks(case), office="almaly")
    assert await executor.events(case.case_id) == ["paper-requested"]


async def test_a_case_of_a_newer_build_waits_in_an_older_casebook(side: ReadSide) -> None:
    case, other = new_case(), old_case()
    async with side.folding():
        await side.tell(*case.written, *other.written)
    states = "SELECT state FROM status WHERE case_id = $1"
    assert await side.pool.fetchval(states, case.case_id) == "registered"
    assert await side.pool.fetchval(states, other.case_id) == "assigned"
    reasons = "SELECT reason FROM parked WHERE case_id = $1"
    assert await side.pool.fetchval(reasons, case.case_id) == (
        f"unknown-type: {SECOND}, where this build knows v1"
    )


async def test_an_older_build_does_not_take_over_from_a_newer_one_without_its_facts(
    site: Site,
) -> None:
    """Restored from a backup, it would tell something else in the place of a published fact."""
    case = new_case()
    await site.tell([*staff(), *case.written])
    with pytest.raises(AnotherLog) as refused:
        await site.start(Source.ROUTING)
    assert str(refused.value).endswith(
        f"was told by a newer build of this stage (unknown type {SECOND}, where this build knows"
        " v1); start the newer build"
    )
    with newer_build():
        routing = await site.start(Source.ROUTING)
        assert await routing.events(case.case_id) == ["executor-assigned"]
    again = await site.start(Source.ROUTING)
    assert await again.events(case.case_id) == ["executor-assigned"]


# ---- a database of a newer build ----------------------------------------------------------------


async def test_an_older_build_does_not_start_on_the_database_of_a_newer_one(
    database: str, broker: LocalBroker, tmp_path: Path
) -> None:
    await create_topics(broker.bootstrap)
    settings = settings_of(tmp_path, bootstrap=broker.bootstrap, url=database, privacy_url=database)
    async with await open_pool(database, schema="public", application_name="test") as pool:
        for service, folder in (("notify", MIGRATIONS), ("casebook", CASEBOOK_MIGRATIONS)):
            async with pool.acquire() as connection:
                await migrate(connection, folder, service)
                await connection.execute(
                    f"INSERT INTO {service}.schema_migrations (version, name, sha256)"
                    " VALUES ('0099', '0099_of_a_newer_build.sql', 'x')"
                )
    for service, folder in (("notify", MIGRATIONS), ("casebook", CASEBOOK_MIGRATIONS)):
        known = read_migrations(folder)[-1].name
        ended = await asyncio.to_thread(start, service, settings)
        assert ended.returncode != 0
        assert (
            f"schema {service} is newer than this build: it is at 0099_of_a_newer_build.sql,"
            f" this build knows up to {known}; start the newer build"
        ) in ended.stdout + ended.stderr, ended


def start(service: str, settings: Settings) -> "subprocess.CompletedProcess[str]":
    """Run a service as its supervisor does, until it gives up."""
    told = {
        f"QYZMET_{name.upper()}": str(value)
        for name, value in {
            **settings.model_dump(include={"kafka", "port"}),
            "database_url": settings.database_url.get_secret_value(),
            "privacy_url": settings.privacy_url.get_secret_value(),
            "master_key_file": settings.master_key_file,
            "lookup_key_file": settings.lookup_key_file,
            "token_keys": settings.token_keys,
        }.items()
    }
    return subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **told},
    )
