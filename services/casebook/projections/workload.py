"""What each executor has to do, what of it is late, and how much they have finished.

Everybody who may be named is listed, with or without a case; and everybody who has one. Asked of
`status` and the staff directory at the moment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.casebook.conditions import Conditions
from services.casebook.paging import Order, Page
from shared.postgres.pool import Connection

BY_NAME: Final = Order("workload", {"executor": str})

_WORKLOAD: Final = """
WITH busy AS (
    SELECT executor, min(office) AS office, count(*) AS open,
           count(*) FILTER (WHERE stage = 'executor') AS to_draft,
           count(*) FILTER (WHERE state = 'returned') AS returned,
           count(*) FILTER (WHERE stage = 'executor' AND (overdue OR due_at < now())) AS overdue,
           min(due_at) FILTER (WHERE stage = 'executor') AS nearest_due
    FROM status WHERE ended_at IS NULL AND executor IS NOT NULL AND {where}
    GROUP BY executor
), done AS (
    SELECT executor, min(office) AS office, count(*) AS issued
    FROM status WHERE state = 'issued' AND ended_at >= {since} AND {where} GROUP BY executor
), named AS (
    SELECT staff AS executor, office FROM members
    WHERE active AND 'responsible-executor' = ANY (roles) AND {where}
)
SELECT executor, coalesce(named.office, busy.office, done.office) AS office,
       coalesce(open, 0) AS open, coalesce(to_draft, 0) AS to_draft,
       coalesce(returned, 0) AS returned, coalesce(overdue, 0) AS overdue, nearest_due,
       coalesce(issued, 0) AS issued
FROM named FULL JOIN busy USING (executor) FULL JOIN done USING (executor)
WHERE executor IS NOT NULL AND {after} ORDER BY executor LIMIT {limit}
"""


async def listed(
    connection: Connection, office: str | None, issued_since: datetime, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """A page of the executors of one office, or of all."""
    wanted = Conditions()
    wanted.may("office = {}", office)
    where, since = wanted.where, wanted.parameter(issued_since)
    place = BY_NAME.place(page)
    after = f"executor > {wanted.parameter(place[0])}" if place is not None else "true"
    statement = _WORKLOAD.format(
        where=where, since=since, after=after, limit=wanted.parameter(page.most)
    )
    return BY_NAME.cut(await connection.fetch(statement, *wanted.values), page)
