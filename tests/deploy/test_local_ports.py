"""A port that is taken is named before anything starts."""

import socket

import pytest

from deploy.local.errors import CannotStart
from deploy.local.ports import free_ports, port_of, require_free


def test_a_taken_port_is_named_with_the_variable_to_change() -> None:
    taken, free = free_ports(2)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", taken))
        stranger.listen()
        with pytest.raises(CannotStart) as refused:
            require_free({"casebook": taken, "intake": free}, base=8700)
    message = str(refused.value)
    assert f"{taken}, wanted by casebook" in message
    assert "intake" not in message
    assert "QYZMET_PORT_BASE (it is 8700 now)" in message


def test_free_ports_are_accepted() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    require_free({str(port): port for port in ports}, base=8700)


def test_a_second_replica_stands_a_hundred_further() -> None:
    assert port_of(8700, "casebook") == 8706
    assert port_of(8700, "intake", replica=2) == 8801
