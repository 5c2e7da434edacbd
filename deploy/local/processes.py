"""A child process that a run owns: started on a leash, logged, stopped, killed, frozen."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local import records
from deploy.local.accounts import Account
from deploy.local.errors import CannotStart

LEASH = Path(__file__).with_name("leash.py")
LAUNCH_WITHIN_S = 30.0
DIE_WITHIN_S = 10.0
POLL_S = 0.05
LOG_MAX_BYTES = 50_000_000
HOST = "127.0.0.1"

# The kernel's leash is held by the *thread* that started the child, so one thread starts them all
# and lives as long as this process.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="launcher")


@dataclass(frozen=True)
class Manner:
    """How a child is started and how it is asked to end."""

    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    grace_s: float = 15.0


@dataclass
class Child:
    """One process of a run. Its record stands in `folder`, its output in `log_file`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    folder: Path
    manner: Manner = field(default_factory=Manner)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process's number; it must have been started."""
        return self._started().pid

    @property
    def alive(self) -> bool:
        """Started and not ended (a frozen one is alive)."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended: negative for a signal; None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; returns at once, before it is ready."""
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        _rotate(self.log_file)
        self._process = _launcher.submit(self._launch).result(timeout=LAUNCH_WITHIN_S)
        command, stop_signal = self.command, self.manner.stop_signal
        records.write(self.folder, self.name, self._process.pid, command, stop_signal)

    def stop(self) -> None:
        """Ask it to end; after the grace, insist. Nothing happens if it is not running."""
        if self._process is None:
            return
        if self.alive:
            self.thaw()
            self._signal(self.manner.stop_signal)
            try:
                self._process.wait(timeout=self.manner.grace_s)
            except subprocess.TimeoutExpired:
                self.kill()
        records.forget(self.folder, self.name)

    def kill(self) -> None:
        """End it and all its children as a crash would, and see them gone."""
        process = self._started()
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        self._signal(signal.SIGKILL)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait(timeout=DIE_WITHIN_S)
        _, alive = psutil.wait_procs(family, timeout=DIE_WITHIN_S)
        if alive:
            raise RuntimeError(f"children of {self.name} outlived it: {alive}")
        records.forget(self.folder, self.name)

    def freeze(self) -> None:
        """Stop its clock: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    def wait_until(self, ready: Callable[[], bool], within_s: float) -> None:
        """Poll until ready; CannotStart with its last words if it dies or takes too long."""
        deadline = time.monotonic() + within_s
        while not ready():
            if not self.alive:
                raise CannotStart(f"{self.name} ended ({self.exit_code}):\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{self.name} was not ready within {within_s:g} s:\n{self.last_words()}"
                )
            time.sleep(POLL_S)

    def last_words(self, lines: int = 20) -> str:
        """The end of its log."""
        if not self.log_file.exists():
            return "(it wrote no log)"
        with self.log_file.open("rb") as log:
            log.seek(max(0, self.log_file.stat().st_size - 16_000))
            text = log.read().decode(errors="replace")
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (nothing)"

    def _launch(self) -> subprocess.Popen[bytes]:
        account = self.manner.account or Account(-1, -1)
        marks = (self.manner.death_signal, os.getpid(), account.uid, account.gid)
        leash = [sys.executable, "-I", "-S", str(LEASH), *(str(int(mark)) for mark in marks)]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*leash, *self.command],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the run, not for each child
            )

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _signal(self, number: int) -> None:
        self._started().send_signal(number)


@dataclass
class ServiceProcess:
    """A Python module that serves HTTP and says at /health/ready when it can be used."""

    name: str
    module: str
    environment: Mapping[str, str]
    port: int
    log_file: Path
    pids: Path | None = None

    def __post_init__(self) -> None:
        self.child = Child(
            name=self.name,
            command=[sys.executable, "-m", self.module],
            environment=self.environment,
            log_file=self.log_file,
            folder=self.pids or self.log_file.parent / "pids",
        )

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        """Is the process there?"""
        return self.child.alive

    def start(self) -> None:
        """Start it; returns at once, before it is ready."""
        self.child.start()

    def wait_ready(self, within_s: float = 60.0) -> None:
        """Until it answers 200 at /health/ready."""
        self.child.wait_until(self.is_ready, within_s)

    def is_ready(self) -> bool:
        """Does it say that it can be used?"""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False  # not yet listening, or frozen
        finally:
            connection.close()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a grace."""
        self.child.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        self.child.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.child.thaw()


def _rotate(log_file: Path) -> None:
    """One older log is kept; nothing grows without end."""
    if log_file.exists() and log_file.stat().st_size > LOG_MAX_BYTES:
        log_file.replace(log_file.with_suffix(log_file.suffix + ".1"))
