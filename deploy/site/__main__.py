"""What one installation has of its own: `python -m deploy.site`, behind `make up`.

Makes what is missing in a folder and changes nothing that is there: keys, passwords, certificates,
and the settings of the brokers. The folder is the installation's; nothing of it is in an image.
"""

import base64
import json
import os
import secrets
import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from deploy.images.names import IMAGES
from deploy.local.broker import SETTINGS
from deploy.local.secrets import secrets_in, write_private
from deploy.local.settings import BY_RULE
from deploy.privileges.table import PRINCIPALS
from deploy.site.broker import BROKERS, CERTIFICATE, SET_UP, Node, secured_settings
from deploy.site.certificates import Authority, authority_in, issue

# Who reads a file inside a container, by number: each container runs as one of these.
SERVICES_ID, POSTGRES_ID, KAFKA_ID, EDGE_ID, COLLECTOR_ID = 10001, 999, 1000, 10002, 10003
CLIENT_PORT, PEER_PORT, CONTROLLER_PORT = 9092, 9094, 9093
PASSWORDS = (*(principal.name for principal in PRINCIPALS), SET_UP, "administrator")
CLUSTER = 3
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# Of a broker in a container: the rest is as in the run without Docker.
BROKER_SETTINGS = {
    "log.dirs": "/var/lib/kafka/data",
    # Clocks and sessions as they are on machines that are not shared with tests.
    "broker.heartbeat.interval.ms": "2000",
    "broker.session.timeout.ms": "9000",
    "group.min.session.timeout.ms": "6000",
    "num.network.threads": "3",
    "num.io.threads": "8",
    "background.threads": "4",
}


@app.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="where the installation's files lie")],
    brokers: Annotated[int, typer.Option(help="1, or 3 for the profile `cluster`")] = 1,
    host: Annotated[list[str] | None, typer.Option(help="names of the TLS edge")] = None,
) -> None:
    """Make what is missing."""
    if brokers not in (1, CLUSTER):
        raise typer.BadParameter("one broker, or three")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_secrets(folder / "secrets", [*(host or ()), "localhost", "127.0.0.1", "edge"])
    _write_broker_settings(folder / "kafka", brokers)
    _make_writable(folder / "traces", COLLECTOR_ID)
    _write_choices(folder / "compose.env", brokers)
    sys.stdout.write(f"the installation's files are in {folder}\n")


def _write_secrets(folder: Path, edge_hosts: list[str]) -> None:
    made = secrets_in(folder)
    for file in (made.master_key, made.lookup_key, made.token_keys):
        _give(file, SERVICES_ID)
    _give(made.issuer_keys, SERVICES_ID)
    for name in PASSWORDS:
        file = folder / f"{name}_password"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32).encode())
        _give(file, POSTGRES_ID if name == "administrator" else SERVICES_ID)
    # The set-up comes in as the administrator too, and both stores must let it: a file each.
    _copy(folder / "administrator_password", folder / "postgres_password_of_setup", SERVICES_ID)
    _copy(folder / f"{SET_UP}_password", folder / "kafka_password_of_setup", KAFKA_ID)
    authority = authority_in(folder)
    authority.certificate.chmod(0o644)
    names = [f"kafka-{number}" for number in range(1, CLUSTER + 1)]
    _write_certificate(authority, folder / "kafka", BROKERS, names, KAFKA_ID)
    _write_certificate(authority, folder / "postgres", "postgres", ["postgres"], POSTGRES_ID)
    _write_certificate(authority, folder / "edge", "edge", edge_hosts, EDGE_ID)


def _write_certificate(
    authority: Authority, stem: Path, name: str, hosts: list[str], reader: int
) -> None:
    """`<stem>.crt`, `<stem>.key`, and both in `<stem>.pem`, the key first."""
    certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
    if not key.exists():
        made, private = issue(authority, name, hosts)
        write_private(certificate, made)
        write_private(stem.with_suffix(".pem"), private + made)
        write_private(key, private)
    for suffix in (".crt", ".key", ".pem"):
        _give(stem.with_suffix(suffix), reader)


def _write_broker_settings(folder: Path, brokers: int) -> None:
    folder.mkdir(exist_ok=True)
    cluster = folder / "cluster-id"
    if not cluster.exists():
        # None begins with a dash: the storage tool would take that for an option.
        text = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")
        cluster.write_text(text, encoding="utf-8")
    nodes = [
        Node(number, f"kafka-{number}", CLIENT_PORT, PEER_PORT, CONTROLLER_PORT)
        for number in range(1, brokers + 1)
    ]
    for node in nodes:
        secured = secured_settings(
            node,
            nodes,
            certificate=Path(CERTIFICATE),
            authority=Path("/run/secrets/authority"),
        )
        lines = {**SETTINGS, **BROKER_SETTINGS, **_copies(brokers), **secured}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        (folder / f"{node.host}.properties").write_text(text, encoding="utf-8")


def _write_choices(file: Path, brokers: int) -> None:
    """What the compose file leaves open. Written once: the rest is the site's to change."""
    if file.exists():
        return
    servers = ",".join(f"kafka-{number}:{CLIENT_PORT}" for number in range(1, brokers + 1))
    lines = {**IMAGES, "QYZMET_BROKERS": servers, "QYZMET_AUTOMATION": json.dumps(BY_RULE)}
    file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")


def _copies(brokers: int) -> dict[str, str]:
    """With three brokers what is acknowledged is on two of them, and none needs to flush."""
    if brokers == 1:
        return {}
    internal = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {
        **{f"{name}.replication.factor": str(brokers) for name in internal},
        "transaction.state.log.min.isr": str(brokers - 1),
        "share.coordinator.state.topic.min.isr": str(brokers - 1),
        "min.insync.replicas": str(brokers - 1),
        "default.replication.factor": str(brokers),
        "log.flush.interval.messages": str(2**63 - 1),
    }


def _give(file: Path, reader: int) -> None:
    """Readable by its one reader. Who is not root can give nothing away: then all may read the
    file, and the folder keeps all but its owner out of it."""
    if os.geteuid() == 0:
        os.chown(file, reader, reader)
        file.chmod(0o400)
    else:
        file.chmod(0o444)


def _make_writable(folder: Path, writer: int) -> None:
    """A folder for one container; who cannot give it away lets all write there, as above."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, writer, writer)
        folder.chmod(0o700)
    else:
        folder.chmod(0o777)


def _copy(source: Path, target: Path, reader: int) -> None:
    """The same secret for a second reader."""
    write_private(target, source.read_bytes())
    _give(target, reader)


if __name__ == "__main__":
    app()
