"""What Prometheus says of the system in containers."""

import time
from http.client import OK

import httpx

from deploy.observability.__main__ import answers
from tests.compose.composed import PROJECT, WAIT_S, Composed


def firing(server: str) -> set[tuple[str, str]]:
    """Alert and service of all that fire now."""
    found = answers(server, 'ALERTS{alertstate="firing"}')
    return {(each["metric"]["alertname"], each["metric"].get("job", "")) for each in found}


def until(server: str, wanted: set[tuple[str, str]], within_s: float) -> None:
    """Wait until all of them have fired, at one time or another."""
    deadline, seen = time.monotonic() + within_s, set[tuple[str, str]]()
    while not wanted <= seen:
        assert time.monotonic() < deadline, wanted - seen
        time.sleep(2.0)
        seen |= firing(server)


def started(composed: Composed) -> str:
    """Start it; where it answers."""
    composed.compose("up", "--detach", "--no-deps", "prometheus")
    networks = composed.inspected("prometheus")[0]["NetworkSettings"]["Networks"]
    server = f"http://{networks[f'{PROJECT}_watch']['IPAddress']}:9090"
    deadline = time.monotonic() + WAIT_S
    while not _is_up(server):
        assert time.monotonic() < deadline
        time.sleep(1.0)
    return server


def _is_up(server: str) -> bool:
    try:
        return httpx.get(f"{server}/-/ready").status_code == OK
    except httpx.TransportError:
        return False
