"""Stages on a real database and a real log, without their processes: for tests of the shell.

All sites share one database and one log. Each stage of a site has a schema of its own there, and
a site begins at the end that the log had when it was made, as if nothing had been told before.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

import asyncpg
from aiokafka import ConsumerRecord

from services.executor.decider import DECIDER as EXECUTOR
from services.intake.commands import LodgeApplication
from services.intake.decider import DECIDER as INTAKE
from services.intake.state import claim_of
from services.notify.decider import DECIDER as NOTIFY
from services.routing.decider import DECIDER as ROUTING
from services.routing.decider import DEPARTMENT_DECIDER
from services.signing.decider import DECIDER as SIGNING
from shared.events.intake import Applicant, Document
from shared.holding import ResolveParked
from shared.identifiers import CaseId, Channel, Role, Source, new_id
from shared.journal.desk import Answer, Desk, Wish
from shared.journal.inbox import Inbox
from shared.journal.relay import Relay
from shared.journal.resolving import Resolution, Resolving
from shared.journal.restore import restore
from shared.journal.rows import AnyDecider
from shared.journal.service import working_calendar
from shared.journal.surroundings import Stage, listening
from shared.journal.timers import Timers
from shared.journal.work import Origin
from shared.messaging.log import Place, open_log
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS
from shared.papers import missing_papers
from shared.postgres.migrations import migrate
from shared.postgres.pool import Limits, Pool, open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import MasterKeys
from shared.procedures.catalogue import load_catalogue
from tests.facts import DepartmentFacts, Written, publish

TOPIC_NAMES: Final = (CASE_EVENTS, DEPARTMENT_EVENTS)
DECIDERS: Final[Mapping[Source, AnyDecider]] = {
    decider.source: decider for decider in (INTAKE, ROUTING, EXECUTOR, SIGNING, NOTIFY)
}
MASTER: Final = MasterKeys({1: b"m" * 32}, current=1)
LOOKUP_KEY: Final = b"l" * 32
EDITION: Final = "2016-08-25"
LIMITS: Final = Limits(connections_min=0, connections_max=12)
WAIT_S_MAX: Final = 30.0
POLL_S: Final = 0.02
TABLES: Final = (
    "journal",
    "outbox",
    "published",
    "cases",
    "offsets",
    "parked",
    "timers",
    "errands",
    "requests",
)

catalogue = cache(load_catalogue)
calendar = cache(working_calendar)


async def until(
    holds: Callable[[], Awaitable[bool]], what: str, within_s: float = WAIT_S_MAX
) -> None:
    """Ask again and again until it holds; fails after a while, saying what did not come."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


def staff() -> list[Written]:
    """The department of these tests, all of one office."""
    told = DepartmentFacts()
    told.member("aigul", Role.OFFICE_SPECIALIST)
    told.member("head", Role.HEAD)
    told.member("deputy", Role.HEAD)
    told.member("bolat", Role.RESPONSIBLE_EXECUTOR)
    told.member("dana", Role.RESPONSIBLE_EXECUTOR)
    told.member("timur", Role.OPERATOR)
    told.member("admin", Role.ADMINISTRATOR)
    return told.written


@cache
def all_papers() -> tuple[Document, ...]:
    """Every paper that an application for home education must have."""
    law = catalogue()
    procedure = law.procedure("home-education", EDITION)
    outside = law.outside("home-education", EDITION)
    kinds = missing_papers(procedure, outside, Channel.OFFICE, frozenset())
    return tuple(Document(kind=kind, state="provided", content="a" * 64) for kind in kinds)


@dataclass
class Running:
    """One stage with its shell, without the loops: a test says when it reads and sends."""

    stage: Stage
    relay: Relay
    inbox: Inbox
    desk: Desk
    resolving: Resolving
    timers: Timers
    bootstrap: str
    _sending: asyncio.Task[None] | None = field(default=None)

    @property
    def pool(self) -> Pool:
        """The stage's own schema."""
        return self.stage.pool

    async def read(self, batch_max: int = 500) -> int:
        """Read from where the database stopped to the end of the log; how many records."""
        records = await self.unread()
        for start in range(0, len(records), batch_max):
            await self.inbox.take(records[start : start + batch_max])
        return len(records)

    async def unread(self) -> list[ConsumerRecord]:
        """What of the log the stage has not read."""
        rows = await self.pool.fetch("SELECT topic, partition, next FROM offsets")
        offsets = {(row["topic"], row["partition"]): row["next"] for row in rows}
        found: list[ConsumerRecord] = []
        async with open_log(self.bootstrap, TOPIC_NAMES, offsets) as log:
            async for records in log.read_to(await log.ends()):
                found += records
        return found

    def send(self) -> None:
        """Let the relay run from now on."""
        if self._sending is None:
            self._sending = asyncio.create_task(self.relay.run())

    async def stop_sending(self) -> None:
        """Stop the relay."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def sent(self) -> None:
        """Until the relay leads and the outbox is empty."""
        self.send()
        self.relay.wake()
        await until(self._all_is_sent, f"the outbox of {self.stage.source} is empty")

    async def _all_is_sent(self) -> bool:
        # A producer that is cancelled while it starts leaves its socket behind, so wait for it.
        return self.relay.leads and not await self.pool.fetchval("SELECT count(*) FROM outbox")

    async def perform(self, command: Any, **origin: Any) -> Answer:
        """One command of a person."""
        return await self.desk.perform(Wish(command, Origin(**origin)))

    async def resolve(
        self, case_id: CaseId, how: str = "retried", at: tuple[int, int] = (0, 0)
    ) -> Resolution:
        """What the operator does about a case; `at` names the record to skip."""
        command = ResolveParked(
            case_id=case_id,
            actor="operator:timur",
            partition=at[0],
            offset=at[1],
            how="skipped" if how == "skipped" else "retried",
            reason="seen to",
        )
        return await self.resolving.resolve(command, Origin())

    async def events(self, case_id: CaseId) -> list[str]:
        """The names of this stage's own events of a case, in order."""
        rows = await self.pool.fetch(
            "SELECT event_type FROM journal WHERE case_id = $1 ORDER BY sequence", case_id
        )
        return [row["event_type"].split(".")[2] for row in rows]

    async def parked(self, case_id: CaseId) -> str | None:
        """Why a case is set aside; None when it flows."""
        reason: str | None = await self.pool.fetchval(
            "SELECT parked FROM cases WHERE case_id = $1", case_id
        )
        return reason

    async def aside(self, case_id: CaseId) -> list[tuple[int, int, bool]]:
        """Partition, offset and whether it waits, of each record of a case that stands aside."""
        rows = await self.pool.fetch(
            'SELECT partition, "offset", waits FROM parked WHERE case_id = $1'
            ' ORDER BY partition, "offset"',
            case_id,
        )
        return [(row["partition"], row["offset"], row["waits"]) for row in rows]


class Site:
    """See the module. Made by the fixture `site`, closed by it."""

    def __init__(self, url: str, bootstrap: str, vault: Vault) -> None:
        self.url = url
        self.bootstrap = bootstrap
        self.vault = vault
        self.floor: dict[Place, int] = {}
        self._name = secrets.token_hex(4)
        self._stack = AsyncExitStack()
        self._running: list[Running] = []
        self._schemas: set[str] = set()

    async def open(self) -> None:
        """From here on is this site's log."""
        async with open_log(self.bootstrap, TOPIC_NAMES) as log:
            self.floor = await log.ends()

    async def close(self) -> None:
        """Stop all stages and drop what was made."""
        await self.stop()
        await self._do(*(f"DROP SCHEMA IF EXISTS {name} CASCADE" for name in self._schemas))

    def schema(self, source: Source) -> str:
        """The schema of a stage of this site."""
        return f"{source.value}_{self._name}"

    async def stop(self) -> None:
        """Stop all stages; the database stays."""
        for running in self._running:
            await running.stop_sending()
        self._running.clear()
        await self._stack.aclose()

    async def start(
        self, source: Source, *, kafka: str | None = None, publish_wait_s: float = 10.0
    ) -> Running:
        """A stage, restored as at its start. It reads and sends when it is told to.

        `kafka` is where its relay looks for the broker. A second one of a source is a replica.
        """
        stage = await self.stage(source)
        if self.schema(source) not in self._schemas:
            await self._make(source)
        await restore(stage, self.bootstrap)
        relay = Relay(self.url, self.schema(source), kafka or self.bootstrap)
        inbox = Inbox(stage, relay)
        desk = Desk(
            stage, relay, publish_wait_s=publish_wait_s, backlog_limit_s=5.0, read_wait_s=2.0
        )
        running = Running(
            stage,
            relay,
            inbox,
            desk,
            Resolving(stage, relay, inbox),
            Timers(stage, relay),
            self.bootstrap,
        )
        self._running.append(running)
        return running

    async def stage(self, source: Source) -> Stage:
        """A stage on its schema, as it lies there."""
        pool = await self._stack.enter_async_context(await self._pool(source))
        return Stage(
            cases=DECIDERS[source],
            pool=pool,
            vault=self.vault,
            procedures=catalogue(),
            calendar=calendar(),
            department=DEPARTMENT_DECIDER if source is Source.ROUTING else listening(source),
            weighs_loads=source is Source.ROUTING,
        )

    async def tell(self, records: Iterable[Written]) -> list[tuple[int, int]]:
        """Put records into the log; the partition and offset of each."""
        return await publish(self.bootstrap, records)

    async def application(self, iin: str = "880101300017", **given: Any) -> Wish:
        """A wish to lodge an application for home education; see `applications`."""
        return (await self.applications([iin], **given))[0]

    async def applications(
        self, iins: Sequence[str], *, key: str | None = None, **given: Any
    ) -> list[Wish]:
        """One wish for each person. `given` are fields of the command or of the applicant."""
        references = await self.vault.applicants(iins)
        cases = [(CaseId(new_id()), references[iin], iin) for iin in iins]
        keys = await self.vault.create_keys({case_id: person for case_id, person, _ in cases})
        names = {name: given.pop(name) for name in Applicant.model_fields.keys() & given.keys()}
        return [
            Wish(
                command=LodgeApplication(
                    case_id=case_id,
                    actor=given.get("actor", "staff:aigul"),
                    procedure=given.get("procedure", "home-education"),
                    edition=EDITION,
                    channel=Channel.OFFICE,
                    office="almaly",
                    applicant=person,
                    private=Applicant(
                        iin=iin, **{"surname": "Canary", "given_name": "Person", **names}
                    ),
                    documents=all_papers(),
                    by_rule=given.get("by_rule", ()),
                    notice=given.get("notice"),
                ),
                origin=Origin(office="almaly", synthetic=True, idempotency_key=key),
                opens=True,
                claim=claim_of(person, "home-education"),
                key=keys[case_id],
            )
            for case_id, person, iin in cases
        ]

    async def forget(self, source: Source) -> None:
        """Drop a stage's schema and make it anew, empty. The stage must have been stopped."""
        await self._do(f"DROP SCHEMA {self.schema(source)} CASCADE")
        await self._make(source)

    async def back_up(self, source: Source) -> None:
        """Keep a copy of a stage's tables as they are now."""
        here, kept = self.schema(source), f"{self.schema(source)}_kept"
        self._schemas.add(kept)
        await self._do(
            f"CREATE SCHEMA {kept}",
            *(f"CREATE TABLE {kept}.{name} AS TABLE {here}.{name}" for name in TABLES),
        )

    async def bring_back(self, source: Source) -> None:
        """Restore a stage's tables from the copy. The stage must have been stopped."""
        here, kept = self.schema(source), f"{self.schema(source)}_kept"
        await self.forget(source)
        await self._do(
            f"DELETE FROM {here}.offsets",
            *(
                f"INSERT INTO {here}.{name} OVERRIDING SYSTEM VALUE TABLE {kept}.{name}"
                for name in TABLES
            ),
            f"SELECT setval(pg_get_serial_sequence('{here}.journal', 'position'),"
            f" (SELECT coalesce(max(position), 0) + 1 FROM {here}.journal), false)",
        )

    async def _make(self, source: Source) -> None:
        """An empty schema, which has read the log as far as it went when this site began."""
        self._schemas.add(self.schema(source))
        async with await self._pool(source) as pool, pool.acquire() as connection:
            await migrate(connection, files("shared.journal") / "migrations", self.schema(source))
            await connection.executemany(
                "INSERT INTO offsets (topic, partition, next) VALUES ($1, $2, $3)",
                [(topic, partition, at) for (topic, partition), at in self.floor.items()],
            )

    async def _pool(self, source: Source) -> Pool:
        return await open_pool(
            self.url, schema=self.schema(source), application_name=source.value, limits=LIMITS
        )

    async def _do(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


def people(count: int, start: int = 0) -> list[str]:
    """So many IINs of different people, made up; never more than a few hundred."""
    found = []
    for number in range(start, start + count):
        found.append(f"{900000000000 + number * 7919:012d}")
    return found
