"""The settings of a broker that knows who talks to it.

Three listeners: clients come with a name and a password (SCRAM) over TLS; brokers and controllers
know each other by certificates alone, since a password that stands in the log that they are about
to read can let nobody in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SET_UP: Final = "setup"
"""The user of the set-up, who may do everything; no service is given its password."""
BROKERS: Final = "kafka"
"""The name in the brokers' own certificates."""
CERTIFICATE: Final = "/run/secrets/kafka_certificate"
"""Where a broker in a container finds its key and certificate."""
LISTENERS: Final = ("CLIENTS", "PEERS", "CONTROLLER")
MECHANISM: Final = "SCRAM-SHA-512"


@dataclass(frozen=True)
class Node:
    """One broker, which is a controller too."""

    number: int
    host: str
    port: int
    peer_port: int
    controller_port: int


def secured_settings(
    node: Node, nodes: Sequence[Node], *, certificate: Path, authority: Path
) -> Mapping[str, str]:
    """What of a broker's settings makes it ask everybody who they are.

    `certificate`: one PEM file, the key (PKCS 8) before the certificate.
    """
    everywhere = "" if node.host not in {"127.0.0.1", "localhost"} else node.host
    voters = ",".join(f"{each.number}@{each.host}:{each.controller_port}" for each in nodes)
    peers = {
        f"listener.name.{name}.ssl.client.auth": "required" for name in ("peers", "controller")
    }
    return {
        "node.id": str(node.number),
        "listeners": f"CLIENTS://{everywhere}:{node.port},PEERS://{everywhere}:{node.peer_port},"
        f"CONTROLLER://{everywhere}:{node.controller_port}",
        "advertised.listeners": f"CLIENTS://{node.host}:{node.port},"
        f"PEERS://{node.host}:{node.peer_port}",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,PEERS:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "PEERS",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": voters,
        "sasl.enabled.mechanisms": MECHANISM,
        "listener.name.clients.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificate),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority),
        "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
        **peers,
        "ssl.principal.mapping.rules": "RULE:^CN=([a-z0-9-]+).*$/$1/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{BROKERS};User:{SET_UP}",
    }


def format_arguments(password: str) -> list[str]:
    """What the storage tool is told besides, so that the set-up can come in at all."""
    return ["--add-scram", f"{MECHANISM}=[name={SET_UP},password={password}]"]
