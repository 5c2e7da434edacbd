"""How a Kafka client is let in: the options that follow from an address.

Files are read when a client is made, so a client made after a password was changed uses the new
one.
"""

import ssl
from typing import Any

from faststream.security import BaseSecurity, SASLScram512

from shared.addresses import Login, kafka_address, read_password


def client_options(address: str) -> dict[str, Any]:
    """The arguments of every aiokafka client that say where the brokers are and who we are.

    Raises OSError when a file that the address names cannot be read.
    """
    found = kafka_address(address)
    if found.login is None:
        return {"bootstrap_servers": found.servers}
    return {
        "bootstrap_servers": found.servers,
        "security_protocol": "SASL_SSL",
        "ssl_context": _context(found.login),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": found.login.user,
        "sasl_plain_password": read_password(found.login.password_file),
    }


def broker_options(address: str) -> tuple[list[str], BaseSecurity | None]:
    """The same for FastStream's broker: the servers, and who we are. Raises OSError.

    It takes a text for one server, whose name then has commas in it.
    """
    found = kafka_address(address)
    servers = found.servers.split(",")
    if found.login is None:
        return servers, None
    login = found.login
    password = read_password(login.password_file)
    security = SASLScram512(login.user, password, ssl_context=_context(login), use_ssl=True)
    return servers, security


def _context(login: Login) -> ssl.SSLContext:
    """The certificate is checked, and that it names the host. Only who signed ours is trusted."""
    return ssl.create_default_context(cafile=str(login.authority))
