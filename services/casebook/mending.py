"""Bringing the log up to the journals (D1 b, D18): what it lacks is sent again, readers start anew.

All of it is one transaction that holds the table of offsets of every stage: a stage that is
started meanwhile waits for it before it reads or tells anything.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from services.casebook.evidence import Key, Told
from services.casebook.journals import facts_in_order
from services.casebook.verification import LogLedger
from shared.events.envelope import chain_hash
from shared.identifiers import Source
from shared.journal.publication import Published
from shared.journal.resending import Resend
from shared.postgres.pool import Connection

_OTHERS: Final = """
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid() ORDER BY application_name
"""
_PUBLISHED: Final = """
WITH sent AS (
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[])
           AS sent (position, partition, "offset")
), gone AS (
    DELETE FROM {0}.outbox WHERE position = ANY($1::bigint[])
)
INSERT INTO {0}.published (position, partition, "offset") SELECT * FROM sent
ON CONFLICT (position) DO UPDATE SET partition = excluded.partition, "offset" = excluded."offset"
"""
_START_ANEW: Final = """
UPDATE {0}.offsets SET next = 0, last_event_id = NULL;
DELETE FROM {0}.parked;
UPDATE {0}.cases SET parked = NULL, waits = false, version = version + 1
WHERE parked IS NOT NULL OR waits
"""
_READ_SIDES: Final = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^casebook(_|$)'"


class CannotMend(Exception):
    """Nothing was changed, and why."""


class Differs(CannotMend):
    """Log and journals contradict each other: that is for `audit verify` and a person."""


@dataclass
class Plan:
    """What stands in the journals, and how much of it the log lacks."""

    facts: Counter[Source] = field(default_factory=Counter)
    lacking: Counter[Source] = field(default_factory=Counter)
    foreign: int = 0
    """Facts of the log that no journal has: each stage reads its own back when it starts."""


async def hold(connection: Connection, sources: Sequence[Source]) -> None:
    """Keep every stage from starting until the transaction ends.

    Raises:
        CannotMend: somebody is connected to the database: services have to be stopped first.
    """
    tables = ", ".join(f"{source.value}.offsets" for source in sources)
    try:
        await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE NOWAIT")
    except asyncpg.LockNotAvailableError:
        raise CannotMend("a stage is reading the log: stop all services first") from None
    names = [row["application_name"] or "unnamed" for row in await connection.fetch(_OTHERS)]
    if names:
        raise CannotMend(
            f"stop all services first; connected to the database now: {', '.join(names)}"
        )


async def plan(connection: Connection, sources: Sequence[Source], ledger: LogLedger) -> Plan:
    """Compare without changing anything.

    Raises:
        Differs: a journal row is not what was recorded, or the log has another event in its place.
    """
    found = Plan()
    async for rows in facts_in_order(connection, list(sources)):
        for row in rows:
            source = Source(row["source"])
            found.facts[source] += 1
            if _told(row, ledger) is None:
                found.lacking[source] += 1
    present = found.facts.total() - found.lacking.total()
    found.foreign = len(ledger.facts) - present
    return found


async def mend(
    connection: Connection,
    sources: Sequence[Source],
    ledger: LogLedger,
    resend: Resend,
    advance: Callable[[int], None],
) -> int:
    """Send what the log lacks, note where every fact stands now, let all start anew; how many.

    Raises Unavailable when the log does not take a fact; then the database has not changed.
    """
    sent = 0
    async for rows in facts_in_order(connection, list(sources)):
        lacking = [row for row in rows if _told(row, ledger) is None]
        places = iter(await resend(lacking))
        stands: dict[str, list[tuple[int, int, int]]] = {}
        for row in rows:
            told = ledger.facts.get(_key(row))
            place = next(places) if told is None else Published(*told.place)
            stands.setdefault(row["source"], []).append(
                (row["position"], place.partition, place.offset)
            )
        for source, standing in stands.items():
            await connection.execute(
                _PUBLISHED.format(source), *map(list, zip(*standing, strict=True))
            )
        sent += len(lacking)
        advance(len(rows))
    for source in sources:
        await connection.execute(_START_ANEW.format(source.value))
    for row in await connection.fetch(_READ_SIDES):
        await connection.execute(f'DROP SCHEMA "{row["nspname"]}" CASCADE')
    return sent


def _key(row: asyncpg.Record) -> Key:
    return Source(row["source"]), row["case_id"], row["sequence"]


def _told(row: asyncpg.Record, ledger: LogLedger) -> Told | None:
    """The row's fact in the log, if it is there. Raises Differs."""
    digest = chain_hash(row["attributes"], row["data"].encode())
    name = f"{row['source']}, case {row['case_id']}, sequence {row['sequence']}"
    if digest != row["hash"]:
        raise Differs(f"the journal row of {name} is not what was recorded: qyzmet audit verify")
    told = ledger.facts.get(_key(row))
    if told is not None and told.digest.hex() != digest:
        raise Differs(f"the log has something else in the place of {name}: qyzmet audit verify")
    return told
