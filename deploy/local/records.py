"""Who was started by a run: kept in its folder, so that the next run can end what is left."""

import contextlib
import json
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from deploy.local.errors import CannotStart

# The kernel counts a start in ticks since boot, and boot time itself is corrected a little.
SAME_START_WITHIN_S = 2.0
END_WITHIN_S = 15.0


@dataclass(frozen=True)
class Record:
    """A process, known by three marks: a number alone is soon another process's."""

    pid: int
    started: float
    command: list[str]
    stop_signal: int


def write(folder: Path, name: str, pid: int, command: Sequence[str], stop_signal: int) -> None:
    """Remember a process just started."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return  # it is gone already; whoever waits for it will say so
    record = Record(pid, started, list(command), stop_signal)
    draft = folder / f".{name}.json"
    draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
    draft.replace(folder / f"{name}.json")


def forget(folder: Path, name: str) -> None:
    """A process has been ended by its own run."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def end_leftovers(folder: Path) -> list[str]:
    """End what an earlier run of this folder left behind; the names of what was ended."""
    ended = []
    for file in sorted(folder.glob("*.json")):
        record = Record(**json.loads(file.read_text(encoding="utf-8")))
        process = _still_there(record)
        if process is not None:
            _end_family(process, record.stop_signal, file.stem)
            ended.append(file.stem)
        file.unlink()
    return ended


def _still_there(record: Record) -> psutil.Process | None:
    """The very process that was recorded, or None."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(record.pid)
        same_start = abs(process.create_time() - record.started) <= SAME_START_WITHIN_S
        # While it is still the leash, the command is the tail of the line.
        same_command = process.cmdline()[-len(record.command) :] == record.command
        if same_start and same_command and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _end_family(process: psutil.Process, stop_signal: int, name: str) -> None:
    """Ask, wait, then insist: the process and all below it."""
    family = [process, *process.children(recursive=True)]
    for signal_number in (signal.SIGCONT, stop_signal):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)
    _, alive = psutil.wait_procs(family, timeout=END_WITHIN_S)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    _, alive = psutil.wait_procs(alive, timeout=END_WITHIN_S)
    if alive:
        raise CannotStart(f"{name} of an earlier run does not end: process {process.pid}")
