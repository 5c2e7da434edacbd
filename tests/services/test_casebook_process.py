"""Casebook as a process: it starts, serves, and stops at once although a stream is open."""

import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.local.broker import LocalBroker
from services.casebook.settings import Settings
from shared.identifiers import Role
from tests.readside import WAIT_S, ReadSide, read_side, settings_of, token

ROOT = Path(__file__).parents[2]
CLERK = token("aigul", "almaly", Role.OFFICE_SPECIALIST)


@pytest.fixture
async def side(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    async with read_side(broker.bootstrap, database) as found:
        yield found


def start(settings: Settings) -> "subprocess.Popen[bytes]":
    told = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "PRIVACY_URL": settings.privacy_url.get_secret_value(),
        "KAFKA": settings.kafka,
        "PORT": str(settings.port),
        "MASTER_KEY_FILE": str(settings.master_key_file),
        "LOOKUP_KEY_FILE": str(settings.lookup_key_file),
        "TOKEN_KEYS": str(settings.token_keys),
        "LOG_LEVEL": "warning",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "services.casebook"],
        cwd=ROOT,
        env={f"QYZMET_{name}": value for name, value in told.items()},
    )


def ready(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 3 * WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("casebook was not ready in time")


def test_an_open_stream_does_not_hold_up_the_stop(side: ReadSide, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, bootstrap=side.bootstrap, url=side.url, privacy_url=side.url)
    process = start(settings)
    base = f"http://127.0.0.1:{settings.port}"
    try:
        with httpx.Client(base_url=base, timeout=WAIT_S, trust_env=False) as client:
            ready(client, process)
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
        process.kill()
        process.wait(timeout=WAIT_S)
