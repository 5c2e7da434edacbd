"""The whole run: up, found by its clients, kept up, killed, and up again with its data."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.environment import CLIENT_FILE, LocalEnvironment, read_client_file
from deploy.local.errors import AlreadyRunning, CannotStart
from deploy.local.ports import DISTANCES, free_ports, is_free
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import ServiceProcess
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import Supervisor
from deploy.local.system import LocalSystem, remove

ROOT = Path(__file__).parents[2]
SMALLEST = dict.fromkeys(("intake", "casebook"), "tests.deploy.smallest_service")
WITHIN_S = 60.0


@pytest.fixture
def settings(session_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSettings]:
    """A data folder and ports of this test's own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = Path(tempfile.mkdtemp(dir=session_folder))
    folder.chmod(0o711)
    yield LocalSettings(folder=folder, port_base=free_base())
    with contextlib.suppress(FileNotFoundError):
        remove(folder)


def free_base() -> int:
    while True:
        base = free_ports(1)[0]
        if all(is_free(base + distance) for distance in DISTANCES.values()):
            return base


def prepare(environment: LocalEnvironment) -> None:
    """What the services would find: here nothing but the databases."""
    assert environment.database_url.endswith("/qyzmet")


def within(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


def looked_after(supervisor: Supervisor, service: ServiceProcess) -> bool:
    supervisor.look()
    return service.is_ready()


def test_a_run_is_found_kept_up_alone_and_gone_when_it_ends(settings: LocalSettings) -> None:
    system = LocalSystem(settings, SMALLEST, prepare)
    with system:
        client = read_client_file(settings.folder)
        answer = httpx.get(client["QYZMET_INTAKE_URL"], timeout=5)
        assert answer.text == client["QYZMET_DATABASE_URL"]
        assert "privacy" in system.postgres.query("SELECT datname FROM pg_database")
        for file in (settings.folder / CLIENT_FILE, *(settings.folder / "secrets").iterdir()):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
            LocalSystem(settings, SMALLEST, prepare).start()

        supervisor = Supervisor(system.parts)
        system.services["intake"].kill()
        supervisor.look()
        assert not system.services["intake"].alive
        assert within(lambda: looked_after(supervisor, system.services["intake"]))
        family = [psutil.Process(part.child.pid) for part in system.parts]
    assert not any(process.is_running() for process in family)
    assert not (settings.folder / CLIENT_FILE).exists()


def test_a_killed_run_leaves_no_process_and_the_next_has_its_data(settings: LocalSettings) -> None:
    run, family = started_run(settings)
    assert len(family) > 4  # Postgres has children of its own
    run.kill()
    run.wait(timeout=10)
    assert within(lambda: not any(process.is_running() for process in family))

    # The killed run could not take its client file away.
    (settings.folder / CLIENT_FILE).unlink()
    run, family = started_run(settings)
    run.send_signal(signal.SIGINT)
    run.wait(timeout=WITHIN_S)
    assert not any(process.is_running() for process in family)

    postgres = LocalPostgres(settings.folder / "postgres", free_ports(1)[0])
    assert "database system is shut down" in (postgres.folder / "postgres.log").read_text()
    postgres.start()
    postgres.wait_ready()
    assert postgres.query("SELECT count(*) FROM runs", "qyzmet") == "2"
    postgres.stop()


def started_run(settings: LocalSettings) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A run in a process of its own, whose preparation leaves a row; and its whole family."""
    program = textwrap.dedent(f"""
        from pathlib import Path
        from deploy.local.settings import LocalSettings
        from deploy.local.system import LocalSystem
        settings = LocalSettings(folder={str(settings.folder)!r}, port_base={settings.port_base})
        row = "CREATE TABLE IF NOT EXISTS runs (); INSERT INTO runs DEFAULT VALUES"
        system = LocalSystem(settings, {SMALLEST!r})
        system.prepare = lambda _: system.postgres.query(row, "qyzmet")
        with system:
            system.supervise()
    """)
    run = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    assert within((settings.folder / CLIENT_FILE).exists)
    return run, psutil.Process(run.pid).children(recursive=True)


def test_a_taken_port_stops_the_run_before_it_starts(settings: LocalSettings) -> None:
    holder = LocalSystem(settings, SMALLEST, prepare)
    holder.broker.port, holder.broker.controller_port = free_ports(2)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", settings.port_base + DISTANCES["casebook"]))
        stranger.listen()
        with pytest.raises(CannotStart, match="wanted by casebook"):
            holder.start()
    assert not (settings.folder / "postgres").exists()
    assert not holder.broker.alive


def test_a_service_that_cannot_start_takes_the_run_down(settings: LocalSettings) -> None:
    system = LocalSystem(settings, {"intake": "no_such_module"}, prepare)
    with pytest.raises(CannotStart, match="intake ended"):
        system.start()
    assert not system.postgres.alive
    assert not system.broker.alive
