"""Children of a run: on a leash, ended by their own run or by the next, never anybody else."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import records
from deploy.local.errors import CannotStart
from deploy.local.ports import free_ports
from deploy.local.processes import Child, ServiceProcess

ROOT = Path(__file__).parents[2]
SMALLEST = "tests.deploy.smallest_service"
SLEEP = [sys.executable, "-c", "import time; time.sleep(120)"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service of nothing but its readiness."""
    port = free_ports(1)[0]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "QYZMET_PORT": str(port)}
    process = ServiceProcess("smallest", SMALLEST, variables, port, tmp_path / "smallest.log")
    yield process
    process.stop()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def test_a_service_is_ready_frozen_thawed_and_stopped(service: ServiceProcess) -> None:
    service.start()
    service.wait_ready(20)
    service.freeze()
    assert service.child.exit_code is None
    assert not service.is_ready()
    service.thaw()
    assert service.is_ready()
    service.stop()
    assert not service.alive
    assert service.child.exit_code == -signal.SIGTERM


def test_a_frozen_service_can_be_stopped(service: ServiceProcess) -> None:
    service.start()
    service.wait_ready(20)
    service.freeze()
    service.stop()
    assert not service.alive


def test_who_dies_before_being_ready_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "absent.log"
    service = ServiceProcess("absent", "no_such_module", dict(os.environ), 1, log)
    service.start()
    with pytest.raises(CannotStart, match="No module named no_such_module"):
        service.wait_ready(20)
    service.stop()


def test_a_killed_starter_leaves_nobody_behind(tmp_path: Path) -> None:
    starter = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        from deploy.local.processes import Child
        child = Child("child", {SLEEP!r}, dict(os.environ), Path("log"), Path("pids"))
        child.start()
        print(child.pid, flush=True)
        time.sleep(120)
    """)
    run = subprocess.Popen(
        [sys.executable, "-c", starter],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    with run.stdout:
        child = psutil.Process(int(run.stdout.readline()))
        assert child.is_running()
        run.kill()
        run.wait(timeout=10)
    assert within(10, lambda: not child.is_running())


def test_the_next_run_ends_what_the_kernel_left(tmp_path: Path) -> None:
    left = subprocess.Popen(SLEEP, start_new_session=True)
    records.write(tmp_path, "left", left.pid, SLEEP, signal.SIGTERM)
    assert records.end_leftovers(tmp_path) == ["left"]
    assert not psutil.pid_exists(left.pid)
    left.wait(timeout=10)
    assert records.end_leftovers(tmp_path) == []


def test_another_process_under_the_old_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEP, start_new_session=True)
    try:
        records.write(tmp_path, "other-command", stranger.pid, [*SLEEP, "x"], signal.SIGTERM)
        records.write(tmp_path, "other-start", stranger.pid, SLEEP, signal.SIGTERM)
        file = tmp_path / "other-start.json"
        started = str(psutil.Process(stranger.pid).create_time())
        file.write_text(file.read_text().replace(started, str(float(started) - 60)))
        assert records.end_leftovers(tmp_path) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(timeout=10)


def test_a_child_is_not_started_twice(tmp_path: Path) -> None:
    child = Child("child", SLEEP, dict(os.environ), tmp_path / "log", tmp_path / "pids")
    child.start()
    with pytest.raises(RuntimeError, match="runs already"):
        child.start()
    child.kill()
    assert child.exit_code == -signal.SIGKILL
