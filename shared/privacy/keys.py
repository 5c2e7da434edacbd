"""The vault: case keys and the lookup of applicants, in a database of their own (D11).

Nothing is cached in the process: an erased key must be gone for every reader at once. Every call
is bulk (one round trip, or two in a race) and ends within its timeout.
"""

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import uuid4

import asyncpg

from shared.errors import Unavailable
from shared.identifiers import ApplicantRef, CaseId, EventId
from shared.postgres.faults import reachable
from shared.postgres.pool import Pool
from shared.privacy.master import MasterKeys
from shared.privacy.openings import Opener, open_arguments
from shared.privacy.sealing import CaseKey

_TURNS_MAX = 5
"""How often get-or-create looks again when another process wrote or deleted meanwhile."""

_APPLICANTS = """
    WITH wanted AS (
        SELECT * FROM unnest($1::bytea[], $2::uuid[]) AS wanted (lookup, applicant)
    ), made AS (
        INSERT INTO applicants (lookup, applicant)
        SELECT wanted.lookup, wanted.applicant FROM wanted
        WHERE NOT EXISTS (SELECT FROM applicants old WHERE old.lookup = wanted.lookup)
        ORDER BY wanted.lookup
        ON CONFLICT (lookup) DO NOTHING
        RETURNING lookup, applicant
    )
    SELECT lookup, applicant FROM made
    UNION ALL
    SELECT lookup, applicant FROM applicants WHERE lookup = ANY ($1)
"""

_CREATE_KEYS = """
    WITH wanted AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[])
            AS wanted (case_id, applicant, wrapped)
    ), made AS (
        INSERT INTO case_keys (case_id, applicant, wrapped)
        SELECT case_id, applicant, wrapped FROM wanted ORDER BY case_id
        ON CONFLICT (case_id) DO NOTHING
        RETURNING case_id, wrapped
    )
    SELECT case_id, wrapped FROM made
    UNION ALL
    SELECT case_id, wrapped FROM case_keys WHERE case_id = ANY ($1)
"""

_REWRAP = """
    UPDATE case_keys SET wrapped = fresh.wrapped
    FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS fresh (case_id, old, wrapped)
    WHERE case_keys.case_id = fresh.case_id AND case_keys.wrapped = fresh.old
"""


class Vault:
    """See the module. The pool connects to the database `privacy`; its owner closes it.

    Every method raises Unavailable when that database does not answer within `timeout_s`.
    """

    def __init__(
        self,
        pool: Pool,
        master: MasterKeys,
        lookup_key: bytes,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._pool = pool
        self._master = master
        self._lookup_key = lookup_key
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return "Vault(hidden)"

    async def applicants(self, iins: Collection[str]) -> dict[str, ApplicantRef]:
        """The reference of each person; who has none yet gets a random one."""
        lookups = {iin: self._lookup(iin) for iin in iins}
        ordered = sorted(set(lookups.values()))
        if not ordered:
            return {}
        fresh = [uuid4() for _ in ordered]
        for _ in range(_TURNS_MAX):
            rows = await self._fetch(_APPLICANTS, ordered, fresh)
            found = {row["lookup"]: ApplicantRef(row["applicant"]) for row in rows}
            if len(found) == len(ordered):
                return {iin: found[lookup] for iin, lookup in lookups.items()}
        raise Unavailable("the applicants' lookup")

    async def find_applicant(self, iin: str) -> ApplicantRef | None:
        """The reference of a person, or None when we know nobody of that IIN."""
        rows = await self._fetch(
            "SELECT applicant FROM applicants WHERE lookup = $1", self._lookup(iin)
        )
        return ApplicantRef(rows[0]["applicant"]) if rows else None

    async def forget_applicant(self, applicant: ApplicantRef) -> bool:
        """Delete the way from the IIN to a person's reference; whether there was one.

        In an erasure this goes first: an application that comes in now gets another reference,
        and `cases_of` then finds all the cases of this one.
        """
        rows = await self._fetch(
            "DELETE FROM applicants WHERE applicant = $1 RETURNING true", applicant
        )
        return bool(rows)

    async def create_keys(
        self, applicant_of: Mapping[CaseId, ApplicantRef]
    ) -> dict[CaseId, CaseKey]:
        """The key of each case; a case that has none yet gets one. A repeat changes nothing."""
        cases = sorted(applicant_of)
        if not cases:
            return {}
        wrapped = [self._master.wrap(case_id, CaseKey.new()) for case_id in cases]
        owners = [applicant_of[case_id] for case_id in cases]
        for _ in range(_TURNS_MAX):
            keys = self._unwrapped(await self._fetch(_CREATE_KEYS, cases, owners, wrapped))
            if len(keys) == len(cases):
                return keys
        raise Unavailable("the keys of new cases")

    async def keys(self, case_ids: Iterable[CaseId]) -> dict[CaseId, CaseKey]:
        """The keys of these cases, for what runs by itself. One that is missing is erased.

        For a person it is `open_keys`.
        """
        cases = sorted(set(case_ids))
        if not cases:
            return {}
        return self._unwrapped(
            await self._fetch(
                "SELECT case_id, wrapped FROM case_keys WHERE case_id = ANY ($1)", cases
            )
        )

    async def open_keys(
        self, blocks: Mapping[CaseId, Sequence[EventId]], opener: Opener
    ) -> dict[CaseId, CaseKey]:
        """The keys for the blocks that a person opens, noted as opened; erased ones are missing.

        Noted and given in one transaction: if it cannot be noted, nothing is given.
        """
        if not blocks:
            return {}
        statement, arguments = open_arguments(blocks, opener)
        return self._unwrapped(await self._fetch(statement, *arguments))

    async def cases_with_keys(self, case_ids: Iterable[CaseId]) -> frozenset[CaseId]:
        """Those of these cases that are not erased. No key is opened."""
        cases = sorted(set(case_ids))
        if not cases:
            return frozenset()
        rows = await self._fetch("SELECT case_id FROM case_keys WHERE case_id = ANY ($1)", cases)
        return frozenset(CaseId(row["case_id"]) for row in rows)

    async def cases_of(self, applicant: ApplicantRef) -> list[CaseId]:
        """The cases of a person that are not erased, by id (which is by age)."""
        rows = await self._fetch(
            "SELECT case_id FROM case_keys WHERE applicant = $1 ORDER BY case_id", applicant
        )
        return [CaseId(row["case_id"]) for row in rows]

    async def erase(self, case_ids: Iterable[CaseId]) -> int:
        """Destroy the keys of these cases, for good; how many there were.

        What backups still hold of them ends with the backups: those of this database live short.
        """
        rows = await self._fetch(
            # Locked in order, so that two erasures cannot wait for each other in a circle.
            "DELETE FROM case_keys WHERE case_id IN (SELECT case_id FROM case_keys"
            " WHERE case_id = ANY ($1) ORDER BY case_id FOR UPDATE) RETURNING true",
            sorted(set(case_ids)),
        )
        return len(rows)

    async def rewrap(self, keys_max: int = 1_000) -> int:
        """Wrap up to so many keys of older master keys under the current one; 0: all done."""
        rows = await self._fetch(
            "SELECT case_id, wrapped FROM case_keys WHERE get_byte(wrapped, 0) <> $1"
            " ORDER BY case_id LIMIT $2",
            self._master.current,
            keys_max,
        )
        keys = self._unwrapped(rows)
        fresh = [self._master.wrap(row["case_id"], keys[row["case_id"]]) for row in rows]
        await self._fetch(
            _REWRAP, [row["case_id"] for row in rows], [row["wrapped"] for row in rows], fresh
        )
        return len(rows)

    async def probe(self) -> None:
        """Ask the database for the least. Raises Unavailable when it does not answer."""
        await self._fetch("SELECT FROM case_keys LIMIT 1")

    def derived_key(self, purpose: str) -> bytes:
        """A key for one purpose, from the lookup's: as lasting, and as little in any database."""
        return hmac.digest(self._lookup_key, f"derived key\n{purpose}".encode(), "sha256")

    def _lookup(self, iin: str) -> bytes:
        return hmac.digest(self._lookup_key, iin.encode(), "sha256")

    def _unwrapped(self, rows: Iterable[asyncpg.Record]) -> dict[CaseId, CaseKey]:
        return {
            CaseId(row["case_id"]): self._master.unwrap(row["case_id"], row["wrapped"])
            for row in rows
        }

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        with reachable("the vault"):
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                return await connection.fetch(query, *arguments, timeout=self._timeout_s)
