"""The server as a process: it starts, serves, and stops in time although a stream is open."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import OKPKey

from deploy.local.ports import free_ports

SERVICE = """
import asyncio, sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse
from shared.http import server
from shared.http.application import Admission, Probes, create_app
from shared.http.tokens import TokenKeys
from shared.observability.logging import configure_logging

server.STOP_S_MAX = 1
router = APIRouter()

@router.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(60)
    return StreamingResponse(parts())

@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    if sys.argv[3] == "fails":
        raise RuntimeError("no database")
    yield
    print("closed", flush=True)

configure_logging("test", replica="1")
app = create_app(title="test", version="1", lifespan=lifespan, routers=[router],
                 probes=Probes(), admission=Admission(TokenKeys(Path(sys.argv[2]))))
server.serve(app, "127.0.0.1", int(sys.argv[1]))
"""

Process = subprocess.Popen[str]


def start(folder: Path, port: int, how: str) -> Process:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "a"})
    keys = folder / "keys.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(port), str(keys), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Process, str]]:
    port = free_ports(1)[0]
    process = start(tmp_path, port, "runs")
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{address}/health/live", timeout=1)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
    yield process, address
    process.kill()
    process.communicate(timeout=10)


def test_it_stops_in_time_although_a_stream_is_open(served: tuple[Process, str]) -> None:
    process, address = served
    with httpx.stream("GET", f"{address}/stream", timeout=5) as answer:
        assert next(answer.iter_bytes()) == b"first"
        process.send_signal(signal.SIGTERM)
        told, logged = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM
    assert told == "closed\n"
    assert all(json.loads(line)["service"] == "test" for line in logged.splitlines())


def test_it_does_not_say_what_it_is_made_of(served: tuple[Process, str]) -> None:
    answer = httpx.get(f"{served[1]}/health/live", timeout=5)
    assert "server" not in answer.headers


def test_a_start_that_fails_ends_the_process(tmp_path: Path) -> None:
    process = start(tmp_path, free_ports(1)[0], "fails")
    _, logged = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "no database" in logged
    assert all(json.loads(line) for line in logged.splitlines())
