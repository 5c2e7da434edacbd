"""The server as a process: it starts, serves, and stops in time although a stream is open."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from joserfc.jwk import OKPKey

from deploy.local.ports import free_ports
from shared.http.application import Admission, Probes, create_app
from shared.http.server import Server
from shared.http.tokens import TokenKeys

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

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n"
Process = subprocess.Popen[str]


def start(folder: Path, port: int, how: str) -> Process:
    keys = _keys(folder)
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(port), str(keys), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _keys(folder: Path) -> Path:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "a"})
    keys = folder / "keys.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    return keys


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


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


def test_who_has_connected_before_it_stops_is_answered(served: tuple[Process, str]) -> None:
    process, address = served
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 5) as client:
        # It is asked something else meanwhile, so it has taken the connection up.
        httpx.get(f"{address}/health/live", timeout=5)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        client.sendall(REQUEST)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    process.communicate(timeout=10)


async def test_who_connects_in_the_moment_in_which_it_stops_is_answered(tmp_path: Path) -> None:
    app = create_app(
        title="test",
        version="1",
        lifespan=lifespan,
        routers=[],
        probes=Probes(),
        admission=Admission(TokenKeys(_keys(tmp_path))),
    )
    port = free_ports(1)[0]
    server = Server(uvicorn.Config(app, port=port, log_config=None, lifespan="on"))
    clients = []

    async def until_somebody_has_connected() -> None:
        """Nothing is awaited between that and the stop: the server cannot know of it."""
        clients.append(socket.create_connection(("127.0.0.1", port), 5))
        clients[0].sendall(REQUEST)

    server.main_loop = until_somebody_has_connected  # type: ignore[method-assign]
    await server.serve()
    assert clients[0].recv(1000).startswith(b"HTTP/1.1 200 ")
    clients[0].close()


def test_it_does_not_say_what_it_is_made_of(served: tuple[Process, str]) -> None:
    answer = httpx.get(f"{served[1]}/health/live", timeout=5)
    assert "server" not in answer.headers


def test_a_start_that_fails_ends_the_process(tmp_path: Path) -> None:
    process = start(tmp_path, free_ports(1)[0], "fails")
    _, logged = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "no database" in logged
    assert all(json.loads(line) for line in logged.splitlines())
