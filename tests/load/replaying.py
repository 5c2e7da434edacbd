"""How fast casebook is folded anew from a long log, and how much memory that takes.

A real Kafka and a real Postgres of its own, a synthetic log, then what `qyzmet rebuild` does: read,
decode, fold, COPY. Processor time is that of the folding processes; Postgres has its own figure.

    python -m tests.load.replaying --events 1000000
"""

import argparse
import asyncio
import gc
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from deploy.local.postgres import LocalPostgres
from services.casebook import rebuilding
from services.casebook.comparing import compare
from services.casebook.rebuilding import Site
from services.casebook.schemas import Schemas
from services.casebook.workers import fill_in_processes
from shared.messaging.topics import create_topics
from tests.load import synthetic
from tests.load.usage import cpu_s, load_average

DATABASE: Final = "replaying"
LOOK_S: Final = 0.5


@dataclass
class Watch:
    """What processes use while something runs."""

    peak_mb: float = 0.0
    by_progress: list[tuple[int, float]] = field(default_factory=list)
    """Records folded and memory held, now and then: flat, or growing?"""
    folded: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def advance(self, count: int) -> None:
        """So many more are folded."""
        self.folded += count

    def run(self) -> None:
        """Look until told to end."""
        own = psutil.Process()
        while not self._ended.wait(LOOK_S):
            held = 0.0
            for process in own.children(recursive=True):
                try:
                    is_worker = "spawn_main" in " ".join(process.cmdline())
                    held += process.memory_info().rss / 1e6 if is_worker else 0.0
                except psutil.Error:
                    continue  # it ended just now
            held = held or own.memory_info().rss / 1e6
            self.peak_mb = max(self.peak_mb, held)
            self.by_progress.append((self.folded, held))

    def end(self) -> None:
        """Look no more."""
        self._ended.set()


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch for the time of a block."""
    watch = Watch()
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


@contextmanager
def stores() -> Iterator[tuple[LocalBroker, LocalPostgres]]:
    """Kafka and Postgres in a folder of their own, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-replaying-"))
    folder.chmod(0o711)
    port, controller_port = free_ports(2)
    broker = LocalBroker(folder / "kafka", port, controller_port)
    postgres = LocalPostgres(folder / "postgres", free_ports(1)[0])
    try:
        for store in (broker, postgres):
            store.start()
        for store in (broker, postgres):
            store.wait_ready()
        yield broker, postgres
    finally:
        broker.stop()
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


async def measured(site: Site, events: int, processes: int, watch: Watch) -> dict[str, Any]:
    """Fold the log anew, bulk and last stretch, and take its time and its processor time."""
    server = postmaster()
    async with rebuilding.alone(site):
        await rebuilding.prepare(site, "measured")
        async with site.log() as log:
            ends = await rebuilding.ends_in_bulk(site, log)
        bulk = sum(ends.values())
        began = (time.monotonic(), folders_cpu_s(), cpu_s(server))
        await fill_in_processes(site, ends, processes, watch.advance)
        ended = (time.monotonic(), folders_cpu_s(), cpu_s(server))
        await rebuilding.finish(site)
        tail = time.monotonic()
        await rebuilding.swap(site, "measured")
        tail_s = time.monotonic() - tail
    wall, cpu, server_cpu = (after - before for before, after in zip(began, ended, strict=True))
    return {
        "events": events,
        "in_bulk": bulk,
        "processes": processes,
        "wall_s": round(wall, 2),
        "events_per_s": round(bulk / wall),
        "cpu_s": round(cpu, 2),
        "events_per_core_s": round(bulk / cpu),
        "postgres_cpu_s": round(server_cpu, 2),
        "last_stretch": {"events": events - bulk, "wall_s": round(tail_s, 2)},
        "peak_memory_mb": round(watch.peak_mb),
        "memory_mb_by_tenths": tenths(watch, bulk),
        "load_average": load_average(),
    }


def folders_cpu_s() -> float:
    """Of this process and of the workers that have ended; Kafka and Postgres end later."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def postmaster() -> int:
    """Postgres's first process, among the children of this one."""
    found = [each for each in psutil.Process().children(recursive=True) if is_postgres(each)]
    inner = {each.pid for each in found}
    return next(each.pid for each in found if each.ppid() not in inner)


def is_postgres(process: psutil.Process) -> bool:
    """By its program."""
    return process.name() == "postgres"


def tenths(watch: Watch, total: int) -> list[int]:
    """The most memory held in each tenth of the way."""
    found = [0.0] * 10
    for folded, held in watch.by_progress:
        place = min(9, folded * 10 // max(total, 1))
        found[place] = max(found[place], held)
    return [round(held) for held in found]


async def again(site: Site, processes: int) -> dict[str, Any]:
    """Fold it once more beside what was folded, and compare the two row by row."""
    async with rebuilding.alone(site):
        await rebuilding.prepare(site, "compared")
        async with site.log() as log:
            ends = await rebuilding.ends_in_bulk(site, log)
        await fill_in_processes(site, ends, processes, lambda _: None)
        await rebuilding.finish(site)
    began = time.monotonic()
    compared = await compare(site)
    return {
        "rows": sum(compared.rows.values()),
        "differ": compared.total,
        "wall_s": round(time.monotonic() - began, 2),
    }


def say(found: dict[str, Any]) -> None:
    """One line of JSON."""
    print(json.dumps(found), flush=True)  # noqa: T201 - that is what it is for


def main() -> None:
    """Write the log, fold it, say how fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--open-at-once", type=int, default=synthetic.OPEN_AT_ONCE)
    parser.add_argument("--compare", action="store_true", help="fold it twice and compare")
    given = parser.parse_args()
    gc.disable()  # as `qyzmet rebuild run` does
    with stores() as (broker, postgres):
        asyncio.run(create_topics(broker.bootstrap))
        began = time.monotonic()
        events = synthetic.write(
            broker.bootstrap,
            synthetic.records(given.events, open_at_once=given.open_at_once),
        )
        say({"written": events, "wall_s": round(time.monotonic() - began, 1)})
        for place, processes in enumerate(given.processes):
            name = f"{DATABASE}{place}"
            postgres.create_database(name)
            site = Site(broker.bootstrap, postgres.url(name), Schemas("casebook"), "replaying")
            with watching() as watch:
                say(uvloop.run(measured(site, events, processes, watch)))
            if given.compare:
                say(uvloop.run(again(site, processes)))


if __name__ == "__main__":
    main()
