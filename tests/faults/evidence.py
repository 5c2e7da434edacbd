"""What a run left behind: the log, every stage's tables, the messages sent, the clients' record.

Read with plain SQL and a plain consumer, not with the code that is judged by it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import httpx

from deploy.local.environment import STAGES, LocalEnvironment
from shared.messaging.log import open_log
from shared.messaging.topics import TOPICS
from tests.faults.history import History

Partition = tuple[str, int]
Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True)
class Record:
    """One record of the log, as it lies there."""

    place: Place
    case_id: str
    attributes: Mapping[str, str]
    data: bytes


@dataclass(frozen=True)
class JournalRow:
    """One row of a stage's journal."""

    position: int
    case_id: str
    sequence: int
    event_id: str
    attributes: str
    data: str
    hash: str


@dataclass(frozen=True)
class StageTables:
    """What one stage keeps, beside its states of cases."""

    journal: Sequence[JournalRow]
    outbox: Sequence[int]
    published: Mapping[int, tuple[int, int]]
    """Position to partition and offset."""
    parked: Sequence[str]
    """Records and cases that stand aside, in words."""
    errands: int
    offsets: Mapping[Partition, tuple[int, str | None]]


@dataclass(frozen=True)
class ReadSide:
    """What casebook keeps."""

    states: Mapping[str, str]
    """By case."""
    timeline: Mapping[str, frozenset[str]]
    """The ids of the events, by case."""
    parked: Sequence[str]
    offsets: Mapping[Partition, tuple[int, str | None]]


@dataclass(frozen=True)
class Evidence:
    """Everything that the invariants are judged by."""

    log: Sequence[Record]
    ends: Mapping[Partition, int]
    stages: Mapping[str, StageTables]
    casebook: ReadSide | None
    messages: Mapping[str, int]
    """How often the gateway was asked for each message, by key."""
    history: History = field(default_factory=History)
    in_order: bool = True
    """The log tells causes before effects; one that was repaired or republished need not."""
    same_log: bool = True
    """The positions that clients were told still hold; in a republished log they do not."""


async def collect(
    environment: LocalEnvironment,
    history: History,
    *,
    in_order: bool = True,
    same_log: bool = True,
) -> Evidence:
    """Read it all. Kafka, Postgres and the gateway must be up."""
    log, ends = await _log(environment.kafka)
    connection = await asyncpg.connect(environment.database_url, timeout=30)
    try:
        stages = {stage: await _stage(connection, stage) for stage in STAGES}
        casebook = await _casebook(connection)
    finally:
        await connection.close()
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.get(f"{environment.url('gateway')}/messages")
    return Evidence(
        log=log,
        ends=ends,
        stages=stages,
        casebook=casebook,
        messages=answer.raise_for_status().json(),
        history=history,
        in_order=in_order,
        same_log=same_log,
    )


async def _log(kafka: str) -> tuple[list[Record], dict[Partition, int]]:
    records: list[Record] = []
    async with open_log(kafka, [topic.name for topic in TOPICS]) as log:
        ends = await log.ends()
        async for batch in log.read_to(ends):
            records += [
                Record(
                    place=(record.topic, record.partition, record.offset),
                    case_id=(record.key or b"").decode(),
                    attributes={
                        name[3:]: value.decode()
                        for name, value in record.headers
                        if name.startswith("ce_")
                    },
                    data=record.value or b"",
                )
                for record in batch
            ]
    return sorted(records, key=lambda record: record.place), ends


async def _stage(connection: "asyncpg.Connection[asyncpg.Record]", stage: str) -> StageTables:
    journal = await connection.fetch(f"SELECT * FROM {stage}.journal ORDER BY position")
    outbox = await connection.fetch(f"SELECT position FROM {stage}.outbox")
    published = await connection.fetch(f"SELECT * FROM {stage}.published")
    return StageTables(
        journal=[
            JournalRow(
                position=row["position"],
                case_id=str(row["case_id"]),
                sequence=row["sequence"],
                event_id=str(row["event_id"]),
                attributes=row["attributes"],
                data=row["data"],
                hash=row["hash"],
            )
            for row in journal
        ],
        outbox=[row["position"] for row in outbox],
        published={row["position"]: (row["partition"], row["offset"]) for row in published},
        parked=await _parked(connection, stage),
        errands=await connection.fetchval(f"SELECT count(*) FROM {stage}.errands"),
        offsets=await _offsets(connection, stage),
    )


async def _parked(connection: "asyncpg.Connection[asyncpg.Record]", stage: str) -> list[str]:
    records = await connection.fetch(
        f'SELECT case_id, partition, "offset", waits, reason FROM {stage}.parked'
    )
    cases = await connection.fetch(
        f"SELECT case_id, parked FROM {stage}.cases WHERE parked IS NOT NULL OR waits"
    )
    return [
        *(f"case {row['case_id']} is set aside: {row['parked']}" for row in cases),
        *(
            f"record {row['partition']}:{row['offset']} of {row['case_id']} stands aside "
            f"({'waits' if row['waits'] else 'parked'}): {row['reason']}"
            for row in records
        ),
    ]


async def _offsets(
    connection: "asyncpg.Connection[asyncpg.Record]", schema: str
) -> dict[Partition, tuple[int, str | None]]:
    rows = await connection.fetch(
        f"SELECT topic, partition, next, last_event_id FROM {schema}.offsets"
    )
    return {
        (row["topic"], row["partition"]): (row["next"], _text(row["last_event_id"])) for row in rows
    }


async def _casebook(connection: "asyncpg.Connection[asyncpg.Record]") -> ReadSide | None:
    if await connection.fetchval("SELECT to_regclass('casebook.status')") is None:
        return None
    states = await connection.fetch("SELECT case_id, state FROM casebook.status")
    timeline = await connection.fetch(
        "SELECT case_id, array_agg(event_id) AS events FROM casebook.timeline GROUP BY case_id"
    )
    parked = await connection.fetch("SELECT case_id, reason FROM casebook.parked")
    waiting = await connection.fetch("SELECT case_id FROM casebook.waiting")
    return ReadSide(
        states={str(row["case_id"]): row["state"] for row in states},
        timeline={
            str(row["case_id"]): frozenset(str(event) for event in row["events"])
            for row in timeline
        },
        parked=[
            *(f"{row['case_id']}: {row['reason']}" for row in parked),
            *(f"{row['case_id']} waits" for row in waiting),
        ],
        offsets=await _offsets(connection, "casebook"),
    )


def said(data: bytes | str) -> Mapping[str, object]:
    """What an event says, as plain JSON."""
    found: dict[str, object] = json.loads(data)
    return found


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
