"""The stages' own database and log, for the tests of the shell: see tests/stages.py."""

from collections.abc import AsyncIterator, Iterator
from importlib.resources import files

import pytest
import structlog

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from deploy.local.postgres import LocalPostgres
from shared.identifiers import Source
from shared.messaging.topics import create_topics
from shared.postgres.migrations import migrate
from shared.postgres.pool import open_pool
from shared.privacy.keys import Vault
from tests.running import Running
from tests.stages import LIMITS, LOOKUP_KEY, MASTER, Site, with_staff


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    """One line for each log line: structlog's own way of showing a fault takes a minute."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )


@pytest.fixture(scope="session")
async def log(broker: LocalBroker) -> str:
    """The bootstrap address of the broker, with the topics there."""
    await create_topics(broker.bootstrap)
    return broker.bootstrap


@pytest.fixture(scope="session")
def stages_database(postgres: LocalPostgres) -> str:
    """The URL of one database for all sites."""
    postgres.create_database("stages")
    return postgres.url("stages")


@pytest.fixture(scope="session")
async def vault(postgres: LocalPostgres) -> AsyncIterator[Vault]:
    """The vault, one for all tests: cases and keys never meet by chance."""
    postgres.create_database("privacy_of_stages")
    url = postgres.url("privacy_of_stages")
    async with await open_pool(
        url, schema="public", application_name="test", limits=LIMITS
    ) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, files("shared.privacy") / "migrations", "public")
        yield Vault(pool, MASTER, LOOKUP_KEY)


@pytest.fixture
async def site(stages_database: str, log: str, vault: Vault) -> AsyncIterator[Site]:
    """A fresh site: no stage has read or told anything."""
    place = Site(stages_database, log, vault)
    await place.open()
    try:
        yield place
    finally:
        await place.close()


@pytest.fixture
async def intake(site: Site) -> Running:
    """Intake, which knows the staff of one office and sends what it tells."""
    intake = await with_staff(site, Source.INTAKE)
    intake.send()
    return intake


@pytest.fixture
async def routing(site: Site) -> Running:
    """Routing, which knows the staff of one office."""
    return await with_staff(site, Source.ROUTING)


@pytest.fixture(scope="session")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker to be killed; whoever takes it leaves it running."""
    port, controller_port = free_ports(2)
    server = LocalBroker(tmp_path_factory.mktemp("mortal") / "kafka", port, controller_port)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
async def mortal_site(
    stages_database: str, mortal: LocalBroker, vault: Vault
) -> AsyncIterator[Site]:
    """A site on the broker that is going to be killed."""
    await create_topics(mortal.bootstrap)
    place = Site(stages_database, mortal.bootstrap, vault)
    await place.open()
    try:
        yield place
    finally:
        await place.close()
