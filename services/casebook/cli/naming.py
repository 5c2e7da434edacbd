"""What auditors name on the command line: cases, without a service; moments by age."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.run import Run
from shared.clock import DEPARTMENT_ZONE, now
from shared.postgres.pool import connect

_BY_NUMBER: Final = "SELECT case_id FROM status WHERE registration_number = $1"
_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def case_in_tables(run: Run, name: str) -> str:
    """The id of a case, given that or its registration number: an audit needs no service for it.

    Raises Failure.
    """
    try:
        return str(UUID(name))
    except ValueError:
        found = asyncio.run(_by_number(run.settings().database, name.upper()))
    if found is None:
        raise Failure(f"no case has the id or the registration number {name}")
    return str(found)


def moment_of(text: str) -> datetime:
    """A moment, or so long ago. A moment without a zone is in the city's. Raises Failure."""
    age = _AGE.fullmatch(text)
    if age is not None:
        return now() - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            "expected a moment such as 2026-11-20T09:00 or an age such as 30m, 2h, 7d",
            Status.USAGE,
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=DEPARTMENT_ZONE)


async def _by_number(url: str, number: str) -> UUID | None:
    connection = await connect(url, schema="casebook", application_name="qyzmet")
    try:
        async with connection.transaction(readonly=True):
            found: UUID | None = await connection.fetchval(_BY_NUMBER, number)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return found
