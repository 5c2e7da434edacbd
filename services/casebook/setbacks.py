"""When cases were parked: remembered for those who ask how they stood in the past."""

from collections.abc import Iterable
from typing import Final

from services.casebook.admission import CaseFile
from shared.postgres.pool import Connection

_KEEP: Final = """
INSERT INTO setbacks (case_id, since, until, reason) VALUES ($1, $2, $3, $4)
ON CONFLICT (case_id, since) DO UPDATE SET until = excluded.until, reason = excluded.reason
"""
_FORGET: Final = "DELETE FROM setbacks WHERE case_id = $1 AND since = $2"


async def keep(connection: Connection, files: Iterable[CaseFile]) -> None:
    """Those that began or ended; one that lasted for no record was none."""
    found = [(file.case_id, each) for file in files for each in file.setbacks.values()]
    lasted = [(case_id, *each) for case_id, each in found if each.since != each.until]
    gone = [(case_id, each.since) for case_id, each in found if each.since == each.until]
    if gone:
        await connection.executemany(_FORGET, gone)
    if lasted:
        await connection.executemany(_KEEP, lasted)
