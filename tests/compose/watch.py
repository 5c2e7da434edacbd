"""What Prometheus says of the system in containers."""

import time
from http.client import OK

import httpx

from deploy.observability.__main__ import answers


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


def is_up(server: str) -> bool:
    """Does it answer yet?"""
    try:
        return httpx.get(f"{server}/-/ready").status_code == OK
    except httpx.TransportError:
        return False
