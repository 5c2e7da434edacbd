"""The one search table: by which words of the applicant's name a case is found (D11, ADR 0025).

The fold only notes which cases have a name to be read, and takes out those that are erased. The
words come later (`indexing.py`): the fold does not wait for the vault.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg

from services.casebook.admission import CaseFile
from shared.events.intake import ApplicationLodged
from shared.identifiers import CaseId
from shared.postgres.pool import Connection
from shared.postgres.schema import checked_schema

_NOTE: Final = """
INSERT INTO names (case_id) SELECT unnest($1::uuid[]) ON CONFLICT (case_id) DO NOTHING
"""
_FORGET: Final = "DELETE FROM names WHERE case_id = ANY ($1::uuid[])"
# OFFSET 0 keeps the planner from joining all of both tables while its statistics are old.
_UNREAD: Final = """
SELECT unread.case_id, status.office, lodged.event_id, lodged.type, lodged.sealed
FROM (SELECT case_id FROM names WHERE words IS NULL ORDER BY case_id LIMIT $1) AS unread
CROSS JOIN LATERAL (SELECT office FROM status WHERE case_id = unread.case_id OFFSET 0) AS status
CROSS JOIN LATERAL (
    SELECT event_id, type, sealed, sequence FROM timeline
    WHERE case_id = unread.case_id AND source = 'intake'
      AND type LIKE 'qyzmet.intake.application-lodged.%' OFFSET 0
) AS lodged
ORDER BY unread.case_id, lodged.sequence
"""
# Only what is still there: a case erased meanwhile has no row, and gets none.
_READ: Final = """
UPDATE names SET words = fresh.words::bigint[]
FROM unnest($1::uuid[], $2::text[]) AS fresh (case_id, words)
WHERE names.case_id = fresh.case_id
"""
_COUNT_UNREAD: Final = """
SELECT count(*) FROM (SELECT FROM names WHERE words IS NULL LIMIT $1) AS unread
"""
_FIND: Final = "SELECT case_id FROM names WHERE words @> $1::bigint[] LIMIT $2"
_CARRY: Final = """
UPDATE {into}.names AS fresh SET words = known.words FROM {live}.names AS known
WHERE known.case_id = fresh.case_id AND fresh.words IS NULL AND known.words IS NOT NULL
"""
_UNREAD_AGAIN: Final = "UPDATE {}.names SET words = NULL WHERE words IS NOT NULL"
_WALK: Final = """
SELECT case_id FROM names WHERE $1::uuid IS NULL OR case_id > $1 ORDER BY case_id LIMIT $2
"""


async def project(connection: Connection, files: Sequence[CaseFile]) -> None:
    """Note the cases whose application was read now, and forget those that are erased."""
    erased = [file.case_id for file in files if file.told and file.standing.erased]
    await note(connection, lodged_in(files))
    if erased:
        await forget(connection, erased)


def lodged_in(files: Sequence[CaseFile]) -> list[CaseId]:
    """Those of which an application was read now, and that are not erased."""
    return [
        file.case_id
        for file in files
        for told in file.told
        if told.fact.entry.model is ApplicationLodged and not file.standing.erased
    ]


async def note(connection: Connection, cases: Sequence[CaseId]) -> None:
    """These have a name to be read."""
    if cases:
        await connection.execute(_NOTE, cases)


async def forget(connection: Connection, cases: Collection[CaseId]) -> None:
    """Take cases out: their keys are gone."""
    await connection.execute(_FORGET, sorted(cases))


async def unread(connection: Connection, most: int) -> list[asyncpg.Record]:
    """Some cases whose names are to be read, with the block that holds the name."""
    return await connection.fetch(_UNREAD, most)


async def keep(connection: Connection, words: Mapping[CaseId, Sequence[int]]) -> None:
    """Keep what was read of each case's name."""
    texts = ["{" + ",".join(map(str, words[case_id])) + "}" for case_id in sorted(words)]
    await connection.execute(_READ, sorted(words), texts)


async def carry(connection: Connection, live: str, into: str) -> None:
    """Give tables that are about to become the live ones what is read of names already.

    A case's name never changes, and who rebuilds has no keys. What is missing is read as always.
    """
    await connection.execute(_CARRY.format(live=checked_schema(live), into=checked_schema(into)))


async def put_back(connection: Connection, schema: str) -> None:
    """Keep nothing of names in tables that stand still: it would outlive the cases' keys."""
    await connection.execute(_UNREAD_AGAIN.format(checked_schema(schema)))


async def count_unread(connection: Connection, most: int) -> int:
    """How many cases are not found by name yet, as far as is counted."""
    return int(await connection.fetchval(_COUNT_UNREAD, most))


async def found(connection: Connection, words: Sequence[int], most: int) -> list[UUID]:
    """Cases that have all these words, in no order."""
    return [row["case_id"] for row in await connection.fetch(_FIND, words, most)]


async def following(connection: Connection, after: CaseId | None, most: int) -> list[CaseId]:
    """The next cases of the table, in key order."""
    return [CaseId(row["case_id"]) for row in await connection.fetch(_WALK, after, most)]
