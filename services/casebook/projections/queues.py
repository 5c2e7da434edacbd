"""What a role has to do in its office: the open cases of one stage, the most urgent first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.casebook.conditions import Conditions
from services.casebook.paging import Page
from services.casebook.projections.search import MOST_URGENT, listed
from shared.postgres.pool import Connection

_FOR_PEOPLE: Final = "(NOT by_rule OR overdue OR due_at < coalesce({}::timestamptz, now()))"
"""What a rule does by itself is a person's business only when it is late."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Which part of a queue is asked for."""

    stage: str
    office: str | None
    executor: str | None = None
    procedures: Sequence[str] | None = None
    by_rule: bool = False


async def queue(
    connection: Connection, wanted: Queue, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """A page of a queue."""
    return await listed(connection, conditions_of(wanted), MOST_URGENT, page)


def conditions_of(wanted: Queue, at: datetime | None = None) -> Conditions:
    """The same in SQL; late is what is late at that moment, or now."""
    conditions = Conditions()
    conditions.must("ended_at IS NULL")
    conditions.must("stage = {}", wanted.stage)
    conditions.may("office = {}", wanted.office)
    conditions.may("executor = {}", wanted.executor)
    conditions.may("procedure || '@' || edition = ANY ({}::text[])", wanted.procedures)
    if not wanted.by_rule:
        conditions.must(_FOR_PEOPLE, at)
    return conditions
