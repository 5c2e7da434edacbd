"""Opening what is sealed, at reading, for those who may (D11).

Nothing is opened before the erasures of the log were applied to the vault again: a vault that
came out of a backup could hold keys that were destroyed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg
import structlog

from services.casebook import queries
from shared.clock import DEPARTMENT_ZONE, now
from shared.errors import Because, Refused, Unavailable
from shared.events.catalogue import BY_TYPE
from shared.events.event import ERASED
from shared.events.upcasts import UPCASTS
from shared.http.tokens import Caller
from shared.identifiers import DEPARTMENT, CaseId, EventId, Role
from shared.postgres.faults import reachable
from shared.postgres.pool import Connection, Pool
from shared.privacy.keys import Vault
from shared.privacy.sealing import CaseKey, Tampered, private_model, unseal

_log = structlog.get_logger()

OPENERS: Final = (
    Role.OFFICE_SPECIALIST,
    Role.RESPONSIBLE_EXECUTOR,
    Role.HEAD,
    Role.MANAGEMENT,
)
"""Whose work needs what the applicant wrote. An operator's does not."""
_ERASED_AT_ONCE: Final = 1_000
_WAIT_S: Final = 0.5

_ENDS: Final = """
SELECT topic, partition, log_end FROM offsets
WHERE (SELECT bool_and(seen_at > $1) FROM offsets)
"""
_REACHED: Final = """
SELECT bool_and(offsets.next >= wanted.log_end) FROM offsets
JOIN unnest($1::text[], $2::smallint[], $3::bigint[]) AS wanted (topic, partition, log_end)
  ON offsets.topic = wanted.topic AND offsets.partition = wanted.partition
"""
_ERASED_CASES: Final = """
SELECT case_id FROM status WHERE erased AND ($1::uuid IS NULL OR case_id > $1)
ORDER BY case_id LIMIT $2
"""

Seal = Literal["none", "sealed", "opened", "erased", "damaged"]


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed block and the event it was sealed for."""

    case_id: CaseId
    event_id: EventId
    type: str
    sealed: str | None


@dataclass(frozen=True, slots=True)
class Private:
    """How it stands with an event's private part, and what it holds if it was opened."""

    state: Seal
    opened: dict[str, object] | None = None


async def roles_today(connection: Connection, who: Caller) -> frozenset[Role]:
    """What the directory lets somebody be in the office of the token today."""
    rows = await queries.member(connection, who.office, who.staff)
    day = now().astimezone(DEPARTMENT_ZONE).date()
    directory = await queries.directory(connection, rows, day)
    return directory.roles_of(who.staff, who.office, day)


async def require_opener(connection: Connection, who: Caller, office: str) -> None:
    """Raises Refused unless the caller works in that office today, in a role that opens."""
    roles = await roles_today(connection, who) if who.office == office else frozenset[Role]()
    if roles.isdisjoint(OPENERS):
        raise Refused(
            "only staff of the case's office open what is sealed",
            expected=" or ".join(OPENERS) + ", at work today in this office",
            found=" and ".join(sorted(roles)) or "no such role today",
            because=Because.ACTOR,
        )


class Opener:
    """Opens blocks once the erasures are applied."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.may_open = False

    async def apply_erasures(self, pool: Pool) -> int:
        """Destroy the keys of every case that the log says is erased; how many there still were.

        Waits until the log is folded up to where it ends now, so that no erasure is missed.
        """
        began = now()
        ends: list[asyncpg.Record] = []
        while not ends or not await self._reached(pool, ends):
            with reachable("the read side"):
                ends = ends or await pool.fetch(_ENDS, began)
            await asyncio.sleep(_WAIT_S)
        erased, after = 0, None
        while True:
            with reachable("the read side"):
                rows = await pool.fetch(_ERASED_CASES, after, _ERASED_AT_ONCE)
            if not rows:
                break
            after = rows[-1]["case_id"]
            erased += await self._vault.erase(CaseId(row["case_id"]) for row in rows)
        self.may_open = True
        if erased:
            _log.warning("erasures_applied_again", keys=erased)
        return erased

    async def _reached(self, pool: Pool, ends: Sequence[asyncpg.Record]) -> bool:
        rows = [tuple(row.values()) for row in ends]
        with reachable("the read side"):
            return bool(await pool.fetchval(_REACHED, *zip(*rows, strict=True)))

    async def open(self, blocks: Sequence[Block]) -> list[Private]:
        """What the blocks hold, as far as their keys exist.

        Raises:
            Unavailable: the vault does not answer, or the erasures are not applied yet.
        """
        if not self.may_open:
            raise Unavailable("the erasures of the log are not applied yet")
        sealed = {block.case_id for block in blocks if block.sealed not in (None, ERASED)}
        keys = await self._vault.keys(sealed)
        return [_opened(block, keys.get(block.case_id)) for block in blocks]

    async def names(self, rows: Sequence[asyncpg.Record]) -> dict[str, str]:
        """The names of members of staff, as far as they can be read."""
        blocks = [Block(DEPARTMENT, row["event_id"], row["type"], row["sealed"]) for row in rows]
        found: dict[str, str] = {}
        for row, private in zip(rows, await self.open(blocks), strict=True):
            name = (private.opened or {}).get("full_name")
            if isinstance(name, str):
                found[row["staff"]] = name
        return found


def closed(sealed: str | None, *, is_erased: bool) -> Private:
    """How it stands with a block that nobody asked to open."""
    if sealed is None:
        return Private("none")
    return Private("erased" if is_erased or sealed == ERASED else "sealed")


def _opened(block: Block, key: CaseKey | None) -> Private:
    if block.sealed is None or block.sealed == ERASED or key is None:
        return closed(block.sealed, is_erased=True)
    entry = BY_TYPE[UPCASTS[block.type][0] if block.type in UPCASTS else block.type]
    model = private_model(entry.model)
    if model is None:
        return Private("damaged")
    try:
        found = unseal(
            key,
            type_=block.type,
            case_id=block.case_id,
            event_id=block.event_id,
            sealed=block.sealed,
            model=model,
        )
    except Tampered as fault:
        _log.error("sealed_block_damaged", what=str(fault))
        return Private("damaged")
    if found is None:
        return Private("erased")
    return Private("opened", found.model_dump(mode="json", exclude_none=True))
