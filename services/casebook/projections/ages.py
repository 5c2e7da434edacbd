"""How long open cases have stood in their stages, against their dues: by procedure and stage.

Asked at the moment, like the counts. Since when a case stands with its holder, the hand-off says
that led there: by whoever held the turn before.
"""

from typing import Final

import asyncpg

from services.casebook.conditions import Conditions
from shared.postgres.pool import Connection

_AGES: Final = """
WITH standing AS (
    SELECT office, procedure, stage, overdue OR due_at < now() AS late, due_at,
           extract(epoch FROM now() - coalesce(arrived.at, lodged_at)) AS age_s
    FROM status LEFT JOIN LATERAL (
        SELECT min(recorded_at) AS at FROM timeline
        WHERE timeline.case_id = status.case_id AND timeline.source = status.path[status.turn]
          AND timeline.turn = status.turn - 1 AND timeline.kind = 'hand-off'
    ) AS arrived ON status.turn > 0
    WHERE ended_at IS NULL AND {where}
)
SELECT office, procedure, stage, count(*) AS open, count(*) FILTER (WHERE late) AS overdue,
       count(*) FILTER (WHERE NOT late AND due_at < now() + interval '1 day') AS due_in_a_day,
       min(due_at) AS nearest_due,
       greatest(0, percentile_cont(0.5) WITHIN GROUP (ORDER BY age_s)) AS median_age_s,
       greatest(0, max(age_s)) AS oldest_age_s
FROM standing
GROUP BY office, procedure, stage ORDER BY office, procedure, stage
"""


async def listed(connection: Connection, wanted: Conditions) -> list[asyncpg.Record]:
    """The ages of the open cases that fulfil some conditions."""
    return await connection.fetch(_AGES.format(where=wanted.where), *wanted.values)
