"""How many cases are open: by office, procedure and stage, and how many of them are late.

Counted at the moment of asking over the open rows of status, so it can never disagree with the
queues; an index holds just those rows.
"""

from typing import Final

COUNTS: Final = """
SELECT office, procedure, stage, state, count(*) AS open,
       count(*) FILTER (WHERE overdue OR due_at < now()) AS overdue
FROM status
WHERE ended_at IS NULL AND ($1::text IS NULL OR office = $1)
GROUP BY office, procedure, stage, state
ORDER BY office, procedure, stage, state
"""
LOADS: Final = """
SELECT executor, count(*) AS open, count(*) FILTER (WHERE overdue OR due_at < now()) AS overdue
FROM status
WHERE ended_at IS NULL AND stage = 'executor' AND executor = ANY ($1::text[])
GROUP BY executor
"""
