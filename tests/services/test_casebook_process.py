"""Casebook as a process: it starts, serves, and stops at once although a stream is open."""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.local.broker import LocalBroker
from shared.identifiers import Role
from tests.casebook_process import CasebookProcess
from tests.department import Office, department
from tests.readside import WAIT_S, token

CLERK = token("aigul", "almaly", Role.OFFICE_SPECIALIST)


@pytest.fixture
async def office(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


def test_an_open_stream_does_not_hold_up_the_stop(office: Office) -> None:
    casebook = CasebookProcess(office.settings)
    process = casebook.start()
    try:
        casebook.wait_ready()
        with httpx.Client(base_url=casebook.base, timeout=WAIT_S, trust_env=False) as client:
            assert client.get("/health/live").status_code == httpx.codes.OK
            with client.stream("GET", "/feed", headers=CLERK) as response:
                lines = response.iter_lines()
                assert next(lines).startswith("retry")
                process.send_signal(signal.SIGTERM)
                asked = time.monotonic()
                list(lines)
                assert process.wait(timeout=WAIT_S) == -signal.SIGTERM
        assert time.monotonic() - asked < 8
    finally:
        casebook.kill()
