"""A secured broker and a Postgres with roles, one each for the tests of privileges."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.ports import free_ports
from deploy.local.postgres import LocalPostgres
from tests.conftest import HASTY_POSTGRES
from tests.deploy.secured import SecuredBroker, make_broker, set_up_broker, set_up_postgres

RoleServer = tuple[LocalPostgres, Mapping[str, str]]


@pytest.fixture(scope="session")
def secured_broker() -> Iterator[SecuredBroker]:
    """Kafka with TLS, passwords and the table's access lists."""
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-secured-"))
    site = make_broker(folder)
    try:
        site.broker.start()
        site.broker.wait_ready()
        asyncio.run(set_up_broker(site))
        yield site
    finally:
        site.broker.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def role_server(session_folder: Path) -> Iterator[RoleServer]:
    """Postgres with the table's roles and grants, and their passwords. Its roles are the server's,
    so it is not the one that the other tests share."""
    server = LocalPostgres(session_folder / "roles", free_ports(1)[0], HASTY_POSTGRES)
    try:
        server.start()
        server.wait_ready()
        yield server, asyncio.run(set_up_postgres(server))
    finally:
        server.remove()
