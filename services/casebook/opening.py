"""Opening what is sealed, at reading, for those who may (D11).

Nothing is opened before the erasures of the log were applied to the vault again: a vault that
came out of a backup could hold keys that were destroyed. And nothing is opened for a person that
is not written down first, with the purpose they name (ADR 0023).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg
import structlog

from services.casebook import queries
from services.casebook.schemas import asking
from shared.clock import DEPARTMENT_ZONE, now
from shared.errors import Because, Refused, Unavailable
from shared.events.catalogue import BY_TYPE
from shared.events.event import ERASED
from shared.events.upcasts import newest
from shared.http.tokens import Caller
from shared.identifiers import DEPARTMENT, CaseId, EventId, Role
from shared.postgres.pool import Connection, Pool
from shared.privacy.keys import Vault
from shared.privacy.openings import Opener as Person
from shared.privacy.openings import Purpose
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


async def require_opener(connection: Connection, who: Caller, office: str) -> frozenset[Role]:
    """In which roles somebody opens what is sealed in an office today.

    Raises:
        Refused: the caller does not work there today in a role that opens.
    """
    roles = await roles_today(connection, who) if who.office == office else frozenset[Role]()
    allowed = roles.intersection(OPENERS)
    if not allowed:
        raise Refused(
            "only staff of the case's office open what is sealed",
            expected=" or ".join(OPENERS) + ", at work today in this office",
            found=" and ".join(sorted(roles)) or "no such role today",
            because=Because.ACTOR,
        )
    return allowed


async def opener_of(
    connection: Connection, who: Caller, office: str, purpose: Purpose | None
) -> Person:
    """The caller as who opens, for a purpose.

    Raises:
        Refused: no purpose is named, or the caller does not work in that office today in a role
            that opens.
    """
    allowed = await require_opener(connection, who, office)
    if purpose is None:
        raise Refused(
            "who opens what is sealed says what for",
            expected=", ".join(Purpose),
            found="no purpose",
            because=Because.INPUT,
            field="purpose",
        )
    return Person(who.staff, allowed, office, purpose)


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
            with asking():
                ends = ends or await pool.fetch(_ENDS, began)
            await asyncio.sleep(_WAIT_S)
        erased, after = 0, None
        while True:
            with asking():
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
        with asking():
            return bool(await pool.fetchval(_REACHED, *zip(*rows, strict=True)))

    async def read(self, blocks: Sequence[Block]) -> list[Private]:
        """What the blocks hold, as far as their keys exist, for what runs by itself.

        For a person it is `open`.

        Raises:
            Unavailable: the vault does not answer, or the erasures are not applied yet.
        """
        self._require_erasures()
        wanted = {block.case_id for block in blocks if block.sealed not in (None, ERASED)}
        keys = await self._vault.keys(wanted)
        return [_opened(block, keys.get(block.case_id)) for block in blocks]

    async def open(self, blocks: Sequence[Block], person: Person) -> list[Private]:
        """What the blocks hold, as far as their keys exist; noted as opened by the person.

        Raises:
            Unavailable: the vault does not answer, or the erasures are not applied yet.
        """
        self._require_erasures()
        sealed: dict[CaseId, list[EventId]] = {}
        for block in blocks:
            if block.sealed not in (None, ERASED):
                sealed.setdefault(block.case_id, []).append(block.event_id)
        keys = await self._vault.open_keys(sealed, person)
        return [_opened(block, keys.get(block.case_id)) for block in blocks]

    async def names(self, rows: Sequence[asyncpg.Record], person: Person) -> dict[str, str]:
        """The names of members of staff, as far as they can be read."""
        blocks = [Block(DEPARTMENT, row["event_id"], row["type"], row["sealed"]) for row in rows]
        found: dict[str, str] = {}
        for row, private in zip(rows, await self.open(blocks, person), strict=True):
            name = (private.opened or {}).get("full_name")
            if isinstance(name, str):
                found[row["staff"]] = name
        return found

    def _require_erasures(self) -> None:
        if not self.may_open:
            raise Unavailable("the erasures of the log are not applied yet")


def closed(sealed: str | None, *, is_erased: bool) -> Private:
    """How it stands with a block that nobody asked to open."""
    if sealed is None:
        return Private("none")
    return Private("erased" if is_erased or sealed == ERASED else "sealed")


def _opened(block: Block, key: CaseKey | None) -> Private:
    if block.sealed is None or block.sealed == ERASED or key is None:
        return closed(block.sealed, is_erased=True)
    entry = BY_TYPE[newest(block.type)]
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
