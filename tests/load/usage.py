"""What processes use, from /proc: processor time with all children, memory, the disk's growth."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """Processor seconds so far: of each watched process, and of the whole machine."""

    seconds: Mapping[str, float]
    machine_s: float

    def since(self, before: "Usage") -> dict[str, float]:
        """Seconds of each process between two looks."""
        return {name: self.seconds[name] - before.seconds[name] for name in self.seconds}

    def others_since(self, before: "Usage") -> float:
        """Seconds that the machine spent on whatever was not watched."""
        watched = sum(self.since(before).values())
        return max(0.0, self.machine_s - before.machine_s - watched)


def usage_of(pids: Mapping[str, int]) -> Usage:
    """A look at these processes, and at this one, which is the reader."""
    seconds = {name: cpu_s(pid) for name, pid in pids.items()}
    return Usage({**seconds, "reader": time.process_time()}, _machine_s())


def cpu_s(pid: int) -> float:
    """User and system time of a process, its running children, and those that have ended.

    What ended is counted by its parent as soon as it is reaped, so nothing is lost or doubled.
    """
    process = psutil.Process(pid)
    total = 0.0
    for member in (process, *process.children(recursive=True)):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue  # ended while we looked: its parent has its time by now or soon
        total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_mb(pid: int) -> float:
    """What a process holds in memory."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def log_bytes(data: Path, topic: str) -> int:
    """The segments of a topic on the broker's disk, without indexes."""
    return sum(file.stat().st_size for file in data.glob(f"{topic}-*/*.log"))


def load_average() -> tuple[float, float, float]:
    """Of the last 1, 5 and 15 minutes."""
    return os.getloadavg()


def _machine_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice + times.irq + times.softirq)
