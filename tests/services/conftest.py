"""The stages' own database and log, for the tests of the shell: see tests/stages.py."""

from collections.abc import AsyncIterator
from importlib.resources import files

import pytest
import structlog

from deploy.local.broker import LocalBroker
from deploy.local.postgres import LocalPostgres
from shared.identifiers import Source
from shared.messaging.topics import create_topics
from shared.postgres.migrations import migrate
from shared.postgres.pool import open_pool
from shared.privacy.keys import Vault
from tests.stages import LIMITS, LOOKUP_KEY, MASTER, Site, make_schemas

TEMPLATE = "stages_template"


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
async def stages_template(postgres: LocalPostgres) -> str:
    """A database with every stage's schema, to copy from: faster than migrating each time."""
    postgres.create_database(TEMPLATE)
    await make_schemas(postgres.url(TEMPLATE), Source)
    return TEMPLATE


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
async def site(
    postgres: LocalPostgres, stages_template: str, log: str, vault: Vault
) -> AsyncIterator[Site]:
    """A fresh site: every stage's schema, empty, and a log without a past."""
    place = Site(postgres.url("postgres"), stages_template, log, vault)
    await place.open()
    try:
        yield place
    finally:
        await place.close()
