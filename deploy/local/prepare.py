"""What the services expect to find: the topics, and the tables of the keys."""

import asyncpg

from deploy.local.environment import LocalEnvironment
from shared.messaging.topics import create_topics
from shared.postgres.migrations import migrate
from shared.privacy import MIGRATIONS


async def prepare(environment: LocalEnvironment) -> None:
    """Create what is missing; what is there stays. The stages make their own schemas."""
    await create_topics(environment.kafka)
    connection = await asyncpg.connect(environment.privacy_url, timeout=10)
    try:
        await migrate(connection, MIGRATIONS, "public")
    finally:
        await connection.close()
