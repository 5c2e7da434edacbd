"""The whole system where everybody is asked who they are, and may do only what the table says."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.environment import SERVICES, STAGES, LocalEnvironment
from deploy.local.ports import free_port_base, port_of
from deploy.local.settings import BY_RULE, LocalSettings
from deploy.local.system import LocalSystem, running
from tests.deploy.secured import make_broker, set_up_broker, set_up_postgres, told
from tests.journeys.office import STAFF, WAIT_S, Office, application

OFFICE = "astana-auto"


@pytest.fixture(scope="module")
def secured_system(session_folder: Path) -> Iterator[LocalSystem]:
    """As `make run`, but for the broker, the roles and what each service is told."""
    base = free_port_base()
    folder = session_folder / "secured"
    broker = make_broker(folder / "broker", port_of(base, "kafka"))

    async def prepare(_: LocalEnvironment) -> None:
        await set_up_broker(broker)
        await set_up_postgres(system.postgres, broker.passwords)

    settings = LocalSettings(folder=folder, port_base=base, automation=json.dumps(BY_RULE))
    system = LocalSystem(settings, prepare=prepare)
    system.broker = broker.broker
    for name in SERVICES:
        broker.address(name)  # writes the password's file
    system.own = {name: told(broker, system, name) for name in SERVICES}
    with running(system):
        yield system


def test_a_case_goes_through_all_services(secured_system: LocalSystem) -> None:
    with httpx.Client(timeout=WAIT_S) as client:
        office = Office(secured_system, OFFICE, client)
        for person, roles in STAFF.items():
            member = {"office": OFFICE, "roles": roles, "full_name": f"Synthetic {person}"}
            office.ok("routing", "PUT", f"/staff/{office.staff(person)}", "admin", member)
        case = _lodged(office)["case_id"]
        found = _until(office, case, "issued")
        assert found["outcome"] == "granted"


async def test_a_stage_reads_its_own_facts_back_with_its_own_rights(
    secured_system: LocalSystem,
) -> None:
    connection = await asyncpg.connect(secured_system.postgres.url("qyzmet"))
    for stage in STAGES:
        service = secured_system.services[stage]
        service.stop()
        # As a stage finds it that comes up while another of its kind goes on: there are facts of
        # its own in the log beyond what was read.
        await connection.execute(f"UPDATE {stage}.offsets SET next = 0, last_event_id = NULL")
        service.start()
        service.wait_ready(WAIT_S)
        assert await connection.fetchval(f"SELECT count(*) FROM {stage}.published") > 0
    await connection.close()


def test_the_addresses_hold_no_password(secured_system: LocalSystem) -> None:
    folder = secured_system.folder
    passwords = [file.read_text() for file in (folder / "broker").glob("*.password")]
    assert len(passwords) >= len(SERVICES)
    for name in SERVICES:
        pid = secured_system.services[name].child.pid
        shown = Path(f"/proc/{pid}/environ").read_text() + Path(f"/proc/{pid}/cmdline").read_text()
        log = (folder / "logs" / f"{name}.log").read_text()
        assert f"/{name}.password" in shown
        assert not [password for password in passwords if password in shown + log]


def _lodged(office: Office) -> dict[str, Any]:
    """As soon as intake knows the people."""
    body = application("employment-referral", result_kind="youth-practice")
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = office.ask("intake", "POST", "/applications", "saule", body, key=str(uuid.uuid4()))
        if answer.status_code != httpx.codes.FORBIDDEN or time.monotonic() > deadline:
            assert answer.status_code == httpx.codes.CREATED, answer.text
            found: dict[str, Any] = answer.json()
            return found
        time.sleep(0.2)


def _until(office: Office, case: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = office.ask("casebook", "GET", f"/cases/{case}", "saule")
        found: dict[str, Any] = answer.json().get("case", {})
        if found.get("state") == state or time.monotonic() > deadline:
            assert found.get("state") == state, answer.text
            return found
        time.sleep(0.2)
