"""Whoever changes, removes, swaps or adds something is found, and the thing is named.

The log comes from the files of a real broker, the tables from a real Postgres. Each tampering is
done in a transaction, looked for in it by what `audit verify` runs, and rolled back.
"""

import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from deploy.local.postgres import LocalPostgres
from services.casebook.cli.audit import NOT_PROVEN
from services.casebook.cli.ledger import Scanned
from services.casebook.cli.screen import Screen
from services.casebook.evidence import Damage, Flaw, LogRecord
from shared.events.envelope import canonical, chain_hash, envelope_of, from_headers
from shared.identifiers import Source
from shared.messaging.log import open_log
from shared.messaging.topics import TOPICS, create_topics
from tests.changed import replace
from tests.facts import publish
from tests.faults import segments
from tests.faults.evident import Batch, Office, office
from tests.faults.stand import FULL, new_seed, say
from tests.faults.tampered_tables import DERIVED
from tests.faults.tamperings import JOURNALS, LOG, Scene, Tampering

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900 if FULL else 300)]

TAMPERINGS = 200 if FULL else 40
NAMES = [topic.name for topic in TOPICS]


@pytest.fixture(scope="module")
def broker(session_folder: Path) -> Iterator[LocalBroker]:
    """Of this module alone: its files are read, and spoilt."""
    port, controller_port = free_ports(2)
    found = LocalBroker(session_folder / "evident", port, controller_port)
    found.start()
    found.wait_ready()
    yield found
    found.stop()


@pytest.fixture(scope="module")
async def told(broker: LocalBroker) -> list[LogRecord]:
    """What the office has told, as a scan of the real log gives it."""
    await create_topics(broker.bootstrap)
    await publish(broker.bootstrap, office())
    batches = await scanned(broker)
    assert not any(isinstance(batch, Damage) for batch in batches)
    return [record for batch in batches if isinstance(batch, list) for record in batch]


@pytest.fixture(scope="module")
async def evident(told: list[LogRecord], postgres: LocalPostgres) -> AsyncIterator[Office]:
    async for found in built(told, postgres, "evident"):
        yield found


async def built(
    records: list[LogRecord], postgres: LocalPostgres, name: str
) -> AsyncIterator[Office]:
    """Every table as it follows from these records."""
    postgres.create_database(name)
    connection = await asyncpg.connect(postgres.url(name))
    try:
        found = Office(records, connection)
        await found.build()
        yield found
    finally:
        await connection.close()


async def scanned(broker: LocalBroker) -> list[Batch]:
    """The whole log as `audit verify` reads it."""
    async with open_log(broker.bootstrap, NAMES) as log:
        with Screen(quiet=True).progress("log", None) as meter:
            return [batch async for batch in Scanned(log, meter).batches()]


def plain(evident: Office) -> list[Batch]:
    return [[record] for record in evident.records]


async def test_an_office_that_nobody_touched_is_as_it_was_told(evident: Office) -> None:
    async with evident.connection.transaction():
        assert await evident.audit(plain(evident)) == []


async def test_every_tampering_is_found_and_named(evident: Office, broker: LocalBroker) -> None:
    seed = new_seed()
    say(f"seed {seed}, {TAMPERINGS} tamperings")
    began = time.monotonic()
    missed = []
    for number in range(TAMPERINGS):
        rng = random.Random(f"{seed} {number}")
        kinds = (JOURNALS, LOG, DERIVED)[number % 3]
        kind = kinds[number // 3 % len(kinds)]
        tampering = kind(Scene(evident, broker.folder / "data", rng))
        if (fault := await not_found(evident, tampering)) is not None:
            missed.append(f"{number}: {tampering.what}: {fault}")
    say(f"{TAMPERINGS - len(missed)} of {TAMPERINGS} found in {time.monotonic() - began:.1f} s")
    assert missed == []


async def not_found(evident: Office, tampering: Tampering) -> str | None:
    """What was found instead of what has to be named; None if it was."""
    transaction = evident.connection.transaction()
    await transaction.start()
    try:
        # Whoever tampers has all rights: triggers and constraints do not stop them.
        await evident.connection.execute("SET LOCAL session_replication_role = replica")
        for statement, arguments in tampering.statements:
            await evident.connection.execute(statement, *arguments)
        log = plain(evident) if tampering.batches is None else tampering.batches
        found = await evident.audit(log)
    finally:
        await transaction.rollback()
    return None if any(map(tampering.named, found)) else str(found[:5])


async def test_a_byte_turned_in_the_brokers_own_file_is_named(
    broker: LocalBroker, told: list[LogRecord]
) -> None:
    victim = told[len(told) // 2]
    file = segments.segment_of(broker.folder / "data", victim.topic, victim.partition)
    broker.stop()
    whole = file.read_bytes()
    start, end = segments.batches_in(whole)[0]
    spoilt = bytearray(whole)
    spoilt[(start + segments.CHECKSUMMED_FROM + end) // 2] ^= 1
    file.write_bytes(spoilt)
    broker.start()
    broker.wait_ready()
    batches = await scanned(broker)
    broker.stop()
    file.write_bytes(whole)
    broker.start()
    broker.wait_ready()
    [damage] = [batch for batch in batches if isinstance(batch, Damage)]
    assert (damage.topic, damage.partition, damage.first) == (victim.topic, victim.partition, 0)
    assert damage.flaw is Flaw.DAMAGED
    lost = damage.last - damage.first + 1
    assert sum(len(batch) for batch in batches if isinstance(batch, list)) == len(told) - lost


# ---- what cannot be found yet -------------------------------------------------------------------


async def test_who_rewrites_everything_alike_is_not_found_yet(
    told: list[LogRecord], postgres: LocalPostgres
) -> None:
    """Signed checkpoints, kept elsewhere, will show it. Until then the audit says so."""
    rewritten = rewritten_by_somebody_with_all_rights(told)
    assert rewritten != told
    async for forged in built(rewritten, postgres, "forged"):
        async with forged.connection.transaction():
            assert await forged.audit(plain(forged)) == []


def rewritten_by_somebody_with_all_rights(told: Sequence[LogRecord]) -> list[LogRecord]:
    """Another executor in all cases, and every hash after it fits again."""
    heads: dict[tuple[Source, object], str] = {}
    found = []
    for record in told:
        envelope = envelope_of(record.headers)
        key = (envelope.source, envelope.case_id)
        value = (record.value or b"").replace(b'"executor":"bolat"', b'"executor":"mallory"')
        previous = heads.get(key, envelope.prev_hash)
        headers = tuple(
            (name, previous.encode() if name == "ce_prevhash" else text)
            for name, text in record.headers
        )
        heads[key] = chain_hash(canonical(from_headers(headers)), value)
        found.append(replace(record, headers=headers, value=value))
    return found


def test_the_audit_says_what_it_cannot_show() -> None:
    how_to = (Path(__file__).parents[2] / "docs" / "how-to" / "audit.md").read_text("utf-8")
    assert "## What an audit cannot show" in how_to
    assert "rewrote journals, log and projections alike" in NOT_PROVEN
