"""Five hundred clients of the live feed on one process: each hears each change of its office once.

Prints memory, processor time and delays; promises nothing but that no change is lost or doubled.
"""

import asyncio
import json
import resource
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.local.broker import LocalBroker
from shared.identifiers import Role
from tests.casebook_process import CasebookProcess
from tests.department import department
from tests.facts import CaseFacts
from tests.load.usage import cpu_s, memory_mb
from tests.readside import token

CLIENTS = 500
OFFICES = tuple(f"office-{number}" for number in range(5))
CASES = 200
"""Of each office; every one is told three facts."""
ROUND_S = 0.25
HEARD_WITHIN_S = 60.0
_CHANGES = "SELECT office, change FROM changes ORDER BY change"


@dataclass
class Listener:
    """One open stream, read as it comes: a plain socket, since there are so many."""

    office: str
    numbers: list[int] = field(default_factory=list)
    heard_at: dict[str, float] = field(default_factory=dict)
    """When the position of a record was heard of."""
    is_connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, host: str, port: int, header: str) -> None:
        """Until it is cancelled."""
        reader, writer = await asyncio.open_connection(host, port)
        try:
            request = f"GET /feed HTTP/1.1\r\nHost: {host}\r\nAuthorization: {header}\r\n\r\n"
            writer.write(request.encode())
            async for line in reader:
                self._take(line)
        finally:
            writer.close()

    def _take(self, line: bytes) -> None:
        if line == b"event: connected\n":
            self.is_connected.set()
        elif line.startswith(b'data: {"changes"'):
            at = time.monotonic()
            for change in json.loads(line[6:])["changes"]:
                self.numbers.append(change["change"])
                self.heard_at[change["position"]] = at
        elif line == b"event: reload\n":
            raise AssertionError("told to reload")


@asynccontextmanager
async def listening(casebook: CasebookProcess) -> AsyncIterator[list[Listener]]:
    listeners = [Listener(OFFICES[number % len(OFFICES)]) for number in range(CLIENTS)]
    tokens = {
        office: token("aigul", office, Role.OFFICE_SPECIALIST)["Authorization"]
        for office in OFFICES
    }
    tasks = [
        asyncio.create_task(each.run("127.0.0.1", casebook.settings.port, tokens[each.office]))
        for each in listeners
    ]
    try:
        async with asyncio.timeout(HEARD_WITHIN_S):
            await asyncio.gather(*(each.is_connected.wait() for each in listeners))
        yield listeners
        assert not [task for task in tasks if task.done()], "a stream ended"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.load
@pytest.mark.timeout(300)
async def test_five_hundred_clients_hear_every_change_once(
    broker: LocalBroker, database: str, tmp_path: Path
) -> None:
    _allow_files(2 * CLIENTS)
    async with department(broker.bootstrap, database, tmp_path) as office:
        casebook = CasebookProcess(office.settings)
        casebook.start()
        try:
            await asyncio.to_thread(casebook.wait_ready)
            alone_mb = memory_mb(casebook.pid)
            async with listening(casebook) as listeners:
                connected_mb, cpu, began = memory_mb(casebook.pid), cpu_s(casebook.pid), time.time()
                told_at = await tell(office.side.tell)
                rows = await office.side.pool.fetch(
                    "SELECT office, change FROM changes ORDER BY change"
                )
                expected = {
                    name: [row["change"] for row in rows if row["office"] == name]
                    for name in OFFICES
                }
                await heard(listeners, expected)
                took_s, used_s = time.time() - began, cpu_s(casebook.pid) - cpu
                after_mb = memory_mb(casebook.pid)
        finally:
            casebook.kill()
    for listener in listeners:
        assert listener.numbers == expected[listener.office]
    deliveries = sum(len(listener.numbers) for listener in listeners)
    delays = [
        at - told_at[position]
        for listener in listeners
        for position, at in listener.heard_at.items()
        if position in told_at
    ]
    cuts = statistics.quantiles(delays, n=100)
    print(  # noqa: T201
        f"\n{CLIENTS} clients, {len(rows)} changes, {deliveries} deliveries, each once, in"
        f" {took_s:.1f} s: {used_s:.1f} s of CPU ({used_s / deliveries * 1e6:.0f} us a delivery,"
        f" folding included); memory {alone_mb:.0f} MB alone, {connected_mb:.0f} MB connected,"
        f" {after_mb:.0f} MB after; from publishing to hearing p50 {cuts[49] * 1000:.0f} ms, p99"
        f" {cuts[98] * 1000:.0f} ms"
    )


Tell = Callable[..., Awaitable[list[tuple[int, int]]]]


async def tell(publish_and_fold: Tell) -> dict[str, float]:
    """All facts, some of each office at a time; when each position was published."""
    cases = [CaseFacts(office=office) for office in OFFICES for _ in range(CASES)]
    for case in cases:
        case.lodged()
        case.registered()
        case.assigned()
    told_at: dict[str, float] = {}
    for place in range(3):
        for first in range(0, len(cases), 100):
            at = time.monotonic()
            records = [case.written[place] for case in cases[first : first + 100]]
            for partition, offset in await publish_and_fold(*records):
                told_at[f"{partition}:{offset}"] = at
            await asyncio.sleep(ROUND_S)
    return told_at


async def heard(listeners: list[Listener], expected: dict[str, list[int]]) -> None:
    """Wait until everybody has heard as much as there was; what it was is compared later."""
    deadline = time.monotonic() + HEARD_WITHIN_S
    while any(len(each.numbers) < len(expected[each.office]) for each in listeners):
        assert time.monotonic() < deadline, "not everybody has heard of everything"
        await asyncio.sleep(0.05)


def _allow_files(wanted: int) -> None:
    """As many open sockets as the machine lets us have, if the usual number is too small."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
