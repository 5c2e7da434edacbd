"""Fills the search table with names, and empties it where a key is gone: beside the fold.

The fold must not wait for the vault, so the names of new cases are read a moment later, in batches.
Cases whose keys were destroyed without a fact in the log are found by walking through the table.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Final

import structlog

from services.casebook import naming
from services.casebook.following import Follower
from services.casebook.opening import Block, Opener
from services.casebook.projections import names
from services.casebook.schemas import asking
from shared.errors import Unavailable
from shared.identifiers import CaseId, EventId
from shared.postgres.pool import Connection, Pool
from shared.privacy.keys import Vault

_log = structlog.get_logger()

AT_ONCE: Final = 500
_WALKED_AT_ONCE: Final = 1_000
_PAUSE_S: Final = 0.25
_WALK_EVERY_S: Final = 5.0
_BACK_OFF_S: Final = 2.0
_PURPOSE: Final = "names of applicants in casebook"
_NAMES: Final = ("surname", "given_name", "patronymic")


class Indexer:
    """See the module. `run` for as long as the process lives."""

    def __init__(self, pool: Pool, opener: Opener, vault: Vault) -> None:
        self._pool = pool
        self._opener = opener
        self._vault = vault
        self._key = vault.derived_key(_PURPOSE)
        self._walked: CaseId | None = None
        self._walk_at = 0.0

    def sought(self, office: str, name: str) -> list[int]:
        """What a case of an office must have to be found by a name. Raises Refused."""
        return naming.sought(self._key, office, name)

    async def run(self, follower: Follower) -> None:
        """Work while this replica is the one that folds; ends only by cancellation."""
        while True:
            pause_s = _PAUSE_S
            try:
                if follower.leads and self._opener.may_open:
                    pause_s = 0.0 if await self._work() else _PAUSE_S
            except Unavailable as fault:
                _log.warning("indexing_waits", what=fault.what)
                pause_s = _BACK_OFF_S
            except Exception:  # noqa: BLE001 -- what was not kept is read again
                _log.exception("indexing_starts_again")
                pause_s = _BACK_OFF_S
            await asyncio.sleep(pause_s)

    async def _work(self) -> bool:
        """One round; whether there is more to read at once."""
        with asking():
            async with self._pool.acquire() as connection:
                count = await self.read_some(connection)
                if time.monotonic() > self._walk_at:
                    self._walk_at = time.monotonic() + _WALK_EVERY_S
                    self._walked = await self.forget_some(connection, self._walked)
        return count == AT_ONCE

    async def read_some(self, connection: Connection) -> int:
        """Read the names of some cases; how many were looked at. A rebuild calls it until 0.

        Raises:
            Unavailable: the vault does not answer, or the erasures are not applied yet.
        """
        rows = await names.unread(connection, AT_ONCE)
        blocks = [
            Block(CaseId(row["case_id"]), EventId(row["event_id"]), row["type"], row["sealed"])
            for row in rows
        ]
        words: dict[CaseId, list[int]] = {}
        gone: list[CaseId] = []
        opened = await self._opener.read(blocks) if blocks else []
        for row, private in zip(rows, opened, strict=True):
            case_id = CaseId(row["case_id"])
            if private.state in ("erased", "none"):
                gone.append(case_id)
                continue
            # A damaged block has no name; it is not looked at again.
            person = private.opened or {}
            texts = [str(person[name]) for name in _NAMES if person.get(name)]
            words[case_id] = naming.beginnings(self._key, row["office"], texts)
        if words:
            await names.keep(connection, words)
        if gone:
            await names.forget(connection, gone)
        return len(rows)

    async def forget_some(self, connection: Connection, after: CaseId | None) -> CaseId | None:
        """Take out those of the next cases whose keys are gone; the last one, None at the end."""
        cases = await names.following(connection, after, _WALKED_AT_ONCE)
        gone = await self.keyless(cases)
        if gone:
            await names.forget(connection, gone)
        return cases[-1] if len(cases) == _WALKED_AT_ONCE else None

    async def keyless(self, cases: Collection[CaseId]) -> frozenset[CaseId]:
        """Those of these cases whose keys are gone. Raises Unavailable."""
        return frozenset(cases) - await self._vault.cases_with_keys(cases)
