"""Which port is whose: fixed distances from one base, so that a user remembers one number."""

import errno
import secrets
import socket
from collections.abc import Mapping

from deploy.local.errors import CannotStart
from deploy.local.processes import HOST

DISTANCES: Mapping[str, int] = {
    "intake": 1,
    "routing": 2,
    "executor": 3,
    "signing": 4,
    "notify": 5,
    "casebook": 6,
    "issuer": 7,
    "gateway": 8,
    "kafka": 20,
    "controller": 21,
    "postgres": 30,
}
REPLICA_DISTANCE = 100
TEST_PORTS = range(20_000, 32_000)


def port_of(base: int, name: str, replica: int = 1) -> int:
    """The port of one process; a second replica stands a hundred further."""
    return base + DISTANCES[name] + REPLICA_DISTANCE * (replica - 1)


def require_free(wanted: Mapping[str, int], base: int) -> None:
    """CannotStart naming every taken port, who wants it, and how to choose others."""
    taken = [f"  {port}, wanted by {name}" for name, port in wanted.items() if not is_free(port)]
    if taken:
        raise CannotStart(
            "another program holds these ports:\n"
            + "\n".join(taken)
            + f"\nChoose others with QYZMET_PORT_BASE (it is {base} now)."
        )


def free_ports(count: int) -> list[int]:
    """Different ports that nobody holds at this moment, for tests.

    From below the range in which the kernel picks ports for clients: one of those could take it
    again before its server is there.
    """
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(TEST_PORTS)
        if is_free(port):
            found.add(port)
    return list(found)


def is_free(port: int) -> bool:
    """Could a server take it now?"""
    with socket.socket() as probe:
        # A port whose last connections are only fading away is free, as it is for a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port_base(replicas: int = 1) -> int:
    """A base whose ports nobody holds at this moment, for tests."""
    while True:
        base = secrets.choice(range(TEST_PORTS.start, TEST_PORTS.stop - 500, 50))
        ports = [port_of(base, name, turn + 1) for name in DISTANCES for turn in range(replicas)]
        if all(is_free(port) for port in ports):
            return base
