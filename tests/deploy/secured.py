"""A real broker that asks everybody who they are, and a real Postgres with the roles of the table.

Made with the code that makes an installation's: `deploy.site` and `deploy.privileges`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import HOST
from deploy.local.secrets import write_private
from deploy.local.system import LocalSystem
from deploy.privileges.acls import apply_acls, apply_users
from deploy.privileges.grants import DATABASE, PRIVACY, Administrator, apply_grants
from deploy.privileges.table import PRINCIPALS
from deploy.site.broker import SET_UP, Node, format_arguments, secured_settings
from deploy.site.certificates import Authority, authority_in, issue
from shared.messaging.topics import create_topics
from tests.conftest import HASTY_KAFKA

STRANGER = "stranger"
"""Somebody with a password whom the table does not name."""
Options = dict[str, str | int | float | bool]
"""As librdkafka takes them."""
NAMES = (*(principal.name for principal in PRINCIPALS), STRANGER)


@dataclass(frozen=True)
class SecuredBroker:
    """The broker, and how each principal reaches it."""

    broker: LocalBroker
    node: Node
    folder: Path
    authority: Authority
    passwords: Mapping[str, str]

    def options(self, name: str, password: str | None = None) -> Options:
        """The settings of librdkafka."""
        return {
            "bootstrap.servers": self.broker.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": password or self.passwords[name],
            "ssl.ca.location": str(self.authority.certificate),
            "log_level": "0",
        }

    def address(self, name: str) -> str:
        """The same as our services are told it: with a file."""
        file = password_file(self.folder, name)
        if not file.exists():
            write_private(file, self.passwords[name].encode())
        query = f"password_file={file}&sslrootcert={self.authority.certificate}"
        return f"sasl-ssl://{name}@{self.broker.bootstrap}?{query}"


def make_broker(folder: Path, port: int | None = None) -> SecuredBroker:
    """Not started yet."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = free_ports(3)
    node = Node(1, HOST, port or ports[0], ports[1], ports[2])
    authority = authority_in(folder)
    certificate, key = issue(authority, "kafka", ["localhost", HOST])
    write_private(folder / "kafka.pem", key + certificate)
    settings = secured_settings(
        node, [node], certificate=folder / "kafka.pem", authority=authority.certificate
    )
    passwords = {name: secrets.token_urlsafe(24) for name in (*NAMES, SET_UP)}
    broker = LocalBroker(
        folder / "kafka", node.port, node.controller_port, settings={**HASTY_KAFKA, **settings}
    )
    broker.format_arguments = format_arguments(passwords[SET_UP])
    found = SecuredBroker(broker, node, folder, authority, passwords)
    broker.answers = lambda: answers(found)
    return found


def answers(site: SecuredBroker) -> bool:
    """Does it let the set-up in, and name a broker?"""
    try:
        listed = AdminClient(site.options(SET_UP)).list_topics(timeout=1.0)
    except KafkaException:
        return False
    return bool(listed.brokers)


async def set_up_broker(site: SecuredBroker) -> None:
    """Topics, users, access lists: as an installation's set-up does it."""
    await create_topics(site.address(SET_UP))
    admin = AdminClient(site.options(SET_UP))
    apply_users(admin, {name: site.passwords[name] for name in NAMES})
    apply_acls(admin)


async def set_up_postgres(
    postgres: LocalPostgres, passwords: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Databases, roles, tables, grants; the passwords by role."""
    passwords = passwords or {principal.name: secrets.token_urlsafe(24) for principal in PRINCIPALS}
    await apply_grants(Administrator(postgres.url("")), passwords)
    return passwords


def role_url(postgres: LocalPostgres, role: str, password: str, database: str = DATABASE) -> str:
    """A role's URL, with the password in it: for the tests' own clients."""
    return f"postgresql://{role}:{quote(password)}@{HOST}:{postgres.port}/{database}"


def told(site: SecuredBroker, system: LocalSystem, name: str) -> dict[str, str]:
    """What a service is told: who it is, and which files its passwords are in."""
    at = f"postgresql://{name}@{HOST}:{system.postgres.port}"
    file = f"?password_file={password_file(site.folder, name)}"
    return {
        "QYZMET_KAFKA": site.address(name),
        "QYZMET_DATABASE_URL": f"{at}/{DATABASE}{file}",
        "QYZMET_PRIVACY_URL": f"{at}/{PRIVACY}{file}",
    }


def password_file(folder: Path, name: str) -> Path:
    """Where the password of a principal lies."""
    return folder / f"{name}.password"
