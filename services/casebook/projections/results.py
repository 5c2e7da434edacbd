"""The register of results: number, day, procedure, outcome, way, to whom; the last issued first.

Asked of `status`, which knows the results, and of the facts that issued them: no table of its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.casebook.conditions import Conditions
from services.casebook.paging import Order, Page
from shared.postgres.pool import Connection

LAST_FIRST: Final = Order("results", {"issued_at": datetime, "case_id": UUID})

# The way and the receiver stand in the fact that the last holder told: only of the rows shown.
_LIST: Final = """
WITH shown AS (
    SELECT * FROM status WHERE state = 'issued' AND {where}
    ORDER BY ended_at DESC, case_id DESC LIMIT {limit}
)
SELECT shown.*, shown.ended_at AS issued_at, issue.way, issue.receiver
FROM shown LEFT JOIN LATERAL (
    SELECT said ->> 'way' AS way, said ->> 'to' AS receiver FROM timeline
    WHERE timeline.case_id = shown.case_id AND timeline.source = 'notify'
      AND timeline.turn = shown.turn AND timeline.type LIKE 'qyzmet.notify.result-issued.%'
    ORDER BY sequence LIMIT 1
) AS issue ON true
ORDER BY issued_at DESC, shown.case_id DESC
"""


async def listed(
    connection: Connection, wanted: Conditions, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """A page of the results that fulfil some conditions on their cases."""
    place = LAST_FIRST.place(page)
    if place is not None:
        wanted.must("(ended_at, case_id) < ({}, {})", *place)
    limit = wanted.parameter(page.most)
    statement = _LIST.format(where=wanted.where, limit=limit)
    return LAST_FIRST.cut(await connection.fetch(statement, *wanted.values), page)
