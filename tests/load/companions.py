"""A process beside the benchmark that talks in JSON lines and ends when its input is closed.

It outlives nobody: should the benchmark be killed, the pipe closes with it.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
END_WITHIN_S = 15.0
LINE_MAX = 64 * 1024 * 1024


class Silent(Exception):
    """A companion ended, or did not say in time what was waited for."""


class Companion:
    """One running companion; made by `companion`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def tell(self, word: str) -> None:
        """One line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())

    async def hear(self, within_s: float) -> Any:
        """Its next line. Raises Silent."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise Silent(f"{self.name} said nothing for {within_s:g} s") from None
        if not line:
            raise Silent(f"{self.name} ended")
        return json.loads(line)

    async def end(self) -> None:
        """Close its input, wait, then insist."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def companion(name: str, module: str, arguments: Sequence[str]) -> AsyncIterator[Companion]:
    """Run a module as a companion for the time of a block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        limit=LINE_MAX,
    )
    running = Companion(name, process)
    try:
        yield running
    finally:
        await running.end()


# ---- the companion's own side ------------------------------------------------------------------


def say(what: Any) -> None:
    """One JSON line to the benchmark, whole: Python without buffers drops the end of a long one."""
    line = memoryview(json.dumps(what).encode() + b"\n")
    while line:
        line = line[os.write(sys.stdout.fileno(), line) :]


def wait_for_word() -> bool:
    """Block until the benchmark says something; False when it has closed the pipe."""
    return bool(sys.stdin.readline())


async def until_closed() -> None:
    """Wait until the benchmark closes the pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
