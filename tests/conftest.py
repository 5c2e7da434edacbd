"""The real Kafka and the real Postgres of the tests: one each for the session, started when asked.

A test takes `broker`, `postgres` or `database` as an argument. What it must not share (a broker to
kill) it builds for itself from deploy.local.
"""

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port_base, free_ports
from deploy.local.postgres import LocalPostgres
from deploy.local.settings import LocalSettings
from deploy.local.system import LocalSystem, running

# What the session shares is never killed: it need not survive a power cut, and is much faster.
HASTY_KAFKA = {"log.flush.interval.messages": str(2**63 - 1)}
HASTY_POSTGRES = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder that Postgres's account can walk through, unlike pytest's own when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def broker(session_folder: Path) -> Iterator[LocalBroker]:
    """Kafka, ready. Topics stay for the session: give each test its own names."""
    port, controller_port = free_ports(2)
    server = LocalBroker(session_folder / "kafka", port, controller_port, settings=HASTY_KAFKA)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres(session_folder: Path) -> Iterator[LocalPostgres]:
    """Postgres, ready."""
    server = LocalPostgres(session_folder / "postgres", free_ports(1)[0], HASTY_POSTGRES)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(postgres: LocalPostgres) -> Iterator[str]:
    """The URL of a fresh, empty database of this test alone."""
    name = f"test_{secrets.token_hex(6)}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def running_system(session_folder: Path) -> Iterator[LocalSystem]:
    """The whole system as processes: office `astana-auto` runs by rule, the others by people."""
    steps = ["register", "assign", "draft", "sign", "issue"]
    procedures = ("prosthetic-aid", "home-education", "employment-referral")
    settings = LocalSettings(
        folder=session_folder / "system",
        port_base=free_port_base(),
        automation=json.dumps({f"astana-auto/{name}": steps for name in procedures}),
        traces=f"file:{session_folder / 'traces.jsonl'}",
    )
    with running(LocalSystem(settings)) as system:
        yield system
