"""Stages on a real database and a real log, without their processes: for tests of the shell.

All sites share one database and one log. Each stage of a site has a schema of its own there, and
a site begins at the end that the log had when it was made, as if nothing had been told before.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

import asyncpg

from services.executor.decider import DECIDER as EXECUTOR
from services.intake.commands import LodgeApplication
from services.intake.decider import DECIDER as INTAKE
from services.intake.state import claim_of
from services.notify.decider import DECIDER as NOTIFY
from services.routing.decider import DECIDER as ROUTING
from services.routing.decider import DEPARTMENT_DECIDER
from services.signing.decider import DECIDER as SIGNING
from shared.events.intake import Applicant, Document
from shared.identifiers import CaseId, Channel, Role, Source, Step, new_id
from shared.journal.desk import Desk, Wish
from shared.journal.inbox import Inbox
from shared.journal.relay import Relay
from shared.journal.resolving import Resolving
from shared.journal.restore import restore
from shared.journal.rows import AnyDecider
from shared.journal.service import working_calendar
from shared.journal.surroundings import Stage, listening
from shared.journal.timers import Timers
from shared.journal.work import Origin
from shared.messaging.log import Place, open_log
from shared.messaging.records import Incoming
from shared.papers import missing_papers
from shared.postgres.migrations import migrate
from shared.postgres.pool import Limits, Pool, open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import MasterKeys
from shared.procedures.catalogue import load_catalogue
from tests.facts import CaseFacts, DepartmentFacts, Written, publish
from tests.running import TOPIC_NAMES, Running

DECIDERS: Final[Mapping[Source, AnyDecider]] = {
    decider.source: decider for decider in (INTAKE, ROUTING, EXECUTOR, SIGNING, NOTIFY)
}
MASTER: Final = MasterKeys({1: b"m" * 32}, current=1)
LOOKUP_KEY: Final = b"l" * 32
EDITION: Final = "2016-08-25"
KEY: Final = "a" * 64
BODY: Final = "1" * 64
LIMITS: Final = Limits(connections_min=0, connections_max=12, whole_tables=False)
TABLES: Final = (
    "journal",
    "outbox",
    "published",
    "cases",
    "offsets",
    "parked",
    "errands",
    "requests",
)

catalogue = cache(load_catalogue)
calendar = cache(working_calendar)


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


def unknown_edition(lodged: Written) -> Written:
    """A fact that reads well and that the rules cannot work with."""
    assert lodged.value is not None
    return lodged.but(value=lodged.value.replace(b'"2016-08-25"', b'"1999-01-01"'))


async def unread(site: Site, stage: Running, records: Sequence[Written]) -> list[Incoming]:
    """Put these into the log, and take from it all that the stage has not read."""
    await site.tell(records)
    return await stage.unread()


async def with_staff(site: Site, source: Source, **options: Any) -> Running:
    """A stage that knows the staff of one office."""
    await site.tell(staff())
    stage = await site.start(source, **options)
    await stage.read()
    return stage


def registered_case() -> CaseFacts:
    """A case that routing assigns by itself as soon as it has read both facts."""
    case = CaseFacts(by_rule=(Step.ASSIGN,))
    case.lodged()
    case.registered()
    return case


def keyed(wish: Wish, key: str = KEY, body: str = BODY) -> Wish:
    """The same wish under a client's key."""
    return replace(wish, origin=replace(wish.origin, idempotency_key=f"{key}:{body}"))


async def rows_in(stage: Running, table: str = "journal") -> int:
    """How many rows one of a stage's tables has."""
    found: int = await stage.pool.fetchval(f"SELECT count(*) FROM {table}")
    return found
