"""The stage's consumer: FastStream's subscriber, with the policy spelled out around it.

The group only shares out the partitions. Where to read on stands in the database; Kafka's own
offsets are committed for the lag displays and never used.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from shared.errors import Unavailable
from shared.journal.inbox import Hole, Inbox, LogIsAhead
from shared.journal.restore import AnotherLog, check_log
from shared.journal.surroundings import Stage
from shared.messaging.access import broker_options
from shared.messaging.log import Place, open_log
from shared.messaging.pace import rest_s
from shared.messaging.polling import polled
from shared.messaging.records import Incoming
from shared.messaging.stopping import started, stopped
from shared.messaging.topics import TOPICS
from shared.observability import metrics
from shared.postgres.faults import reachable

_log = structlog.get_logger()

_NAMES: Final = tuple(topic.name for topic in TOPICS)
_POLL_MS: Final = 200
_BACK_OFF_MAX_S: Final = 3.0
_COMMIT_EVERY_S: Final = 2.0
_PARKED_WINDOW_S: Final = 60.0
_RECHECK_S: Final = 5.0
_OFFSETS: Final = "SELECT topic, partition, next, last_event_id FROM offsets"


@dataclass(frozen=True, slots=True)
class Membership:
    """How a process takes part in its stage's group, and when it stops reading.

    `parked_max`: cases set aside within a minute; beyond it the deployment is wrong (D7).
    """

    group: str
    replica: str
    batch_max: int = 2000
    parked_max: int = 100


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """See the module.

    `halted` says why nothing is read any more; None while all is well.
    """

    def __init__(self, stage: Stage, inbox: Inbox, bootstrap: str, membership: Membership) -> None:
        group, replica = membership.group, membership.replica
        self.halted: str | None = None
        self._stage = stage
        self._inbox = inbox
        self._bootstrap = bootstrap
        self._parked_max = membership.parked_max
        self._batch_max = membership.batch_max
        self._parked: list[float] = []
        self._committed = 0.0
        self._rest_s = 0.0
        self._oldest_ms = 0
        """When the first record of this poll was logged."""
        self._stopping = asyncio.Event()
        servers, security = broker_options(bootstrap)
        self._broker = KafkaBroker(
            servers,
            security=security,
            apply_types=False,
            consumer_only=True,
            allow_auto_create_topics=False,
            ack_policy=AckPolicy.MANUAL,
            logger=None,
            client_id=f"{group}-{replica}",
        )
        self._subscriber = self._broker.subscriber(
            *_NAMES,
            batch=True,
            group_id=group,
            group_instance_id=f"{group}-{replica}",
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            parser=_as_it_came,
            decoder=_records,
            listener=self,
        )
        self._subscriber(self._take)
        self._subscriber.get_msg = self._poll  # type: ignore[method-assign]

    async def start(self) -> None:
        """Join the group and begin to read; tries until the broker answers."""
        self._stopping.clear()
        back_off_s = 0.2
        while True:
            try:
                async with asyncio.timeout(30):
                    await started(self._broker.start(), "consumer's start")
                return
            except Exception as fault:  # noqa: BLE001 - see below
                # Whatever the client says of a broker that is not there yet, the answer is the
                # same; the reason is in the log line, and readiness stays false meanwhile.
                _log.warning("consumer_start_again", fault=type(fault).__name__)
                await stopped(self._broker.stop(), "consumer")
                await asyncio.sleep(back_off_s)
                back_off_s = min(back_off_s * 2, _BACK_OFF_MAX_S)

    async def stop(self) -> None:
        """Leave; never waits long. What was handed over and not read is read by who comes next."""
        self._stopping.set()
        await stopped(self._broker.stop(), "consumer")

    @property
    def alive(self) -> bool:
        """Whether the loop that reads is running."""
        return any(not task.done() for task in self._subscriber.tasks)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nothing to do: who reads on next starts from the database."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Read on from where the database stopped, if the log is still the one it knew."""
        parts = list(assigned)
        if not parts:
            return
        offsets = await self._known_log()
        if self._stopping.is_set():
            return
        consumer = self._reader
        for part in parts:
            consumer.seek(part, offsets.get((part.topic, part.partition), 0))

    async def _known_log(self) -> dict[Place, int]:
        """The stored offsets, after the log was recognised; waits as long as it is another one."""
        back_off_s = 0.2
        while not self._stopping.is_set():
            try:
                with reachable("the journal"):
                    rows = await self._stage.pool.fetch(_OFFSETS)
                offsets = {(row["topic"], row["partition"]): row["next"] for row in rows}
                last = {(row["topic"], row["partition"]): row["last_event_id"] for row in rows}
                async with open_log(self._bootstrap, _NAMES, offsets) as log:
                    await check_log(log, offsets, last)
                self.halted = None
                return offsets
            except AnotherLog as fault:
                self.halted = str(fault)
                _log.error("another_log", stage=self._stage.source.value, why=str(fault))
                await asyncio.sleep(_RECHECK_S)
            except Unavailable as fault:
                _log.warning("log_check_again", fault=fault.what)
                await asyncio.sleep(back_off_s)
                back_off_s = min(back_off_s * 2, _BACK_OFF_MAX_S)
        return {}

    async def _poll(self, consumer: AIOKafkaConsumer) -> tuple[Incoming, ...]:
        """In place of the subscriber's own poll, which after an empty one sleeps as long again:
        then it hears of nothing, or else, with short polls, is busy with waiting."""
        rest, self._rest_s = self._rest_s, 0.0
        await asyncio.sleep(rest)
        self._oldest_ms = 0
        return tuple(await polled(consumer, _POLL_MS, self._batch_max, self._opened))

    def _opened(self, records: list[ConsumerRecord]) -> list[Incoming]:
        self._oldest_ms = min(self._oldest_ms or records[0].timestamp, records[0].timestamp)
        return self._inbox.opened(records)

    async def _take(self, records: list[Incoming]) -> None:
        """One poll. Passing faults are waited out here; nothing is ever thrown to the client."""
        started = time.perf_counter()
        back_off_s = 0.1
        while not self._stopping.is_set():
            try:
                self._note_parked(await self._inbox.take(records))
                break
            except Unavailable as fault:
                _log.warning("batch_again", stage=self._stage.source.value, fault=fault.what)
            except Hole as hole:
                self._seek(hole.offsets)
                return
            except LogIsAhead as fault:
                await self._halt(f"a fact of ours that our journal lacks: {fault}; restart")
            except Exception as fault:  # noqa: BLE001 - the consuming shell: nothing may pass it
                _log.exception("batch_failed", stage=self._stage.source.value)
                self.halted = f"reading fails: {type(fault).__name__}"
            await asyncio.sleep(back_off_s * (0.5 + random.random()))
            back_off_s = min(back_off_s * 2, _BACK_OFF_MAX_S)
        else:
            return
        self.halted = None
        took_s = time.perf_counter() - started
        self._rest_s = rest_s(len(records), self._batch_max, took_s)
        metrics.BATCH_SIZE.observe(len(records))
        metrics.BATCH_SECONDS.observe(took_s)
        metrics.READ_LAG.observe(max(0.0, time.time() - self._oldest_ms / 1000))
        await self._commit()
        if len(self._parked) > self._parked_max:
            await self._halt("too many cases were set aside in a minute: is this the right build?")

    async def _halt(self, why: str) -> None:
        """Stop reading until the process is restarted; readiness says why."""
        self.halted = why
        _log.error("consumer_halted", stage=self._stage.source.value, why=why)
        await self._stopping.wait()

    def _note_parked(self, cases: int) -> None:
        moment = time.monotonic()
        self._parked.extend([moment] * cases)
        self._parked = [at for at in self._parked if moment - at < _PARKED_WINDOW_S]

    def _seek(self, offsets: dict[Place, int]) -> None:
        consumer = self._reader
        for part in consumer.assignment():
            following = offsets.get((part.topic, part.partition))
            if following is not None:
                consumer.seek(part, following)

    async def _commit(self) -> None:
        """Tell Kafka how far this is, for the displays. Losing it loses nothing."""
        moment = time.monotonic()
        if moment - self._committed < _COMMIT_EVERY_S:
            return
        self._committed = moment
        try:
            async with asyncio.timeout(1.0):
                await self._reader.commit()
        except Exception as fault:  # noqa: BLE001 - for displays only
            _log.info("lag_not_committed", fault=type(fault).__name__)

    @property
    def _reader(self) -> AIOKafkaConsumer:
        consumer = self._subscriber.consumer
        assert consumer is not None
        return consumer


async def _as_it_came(records: tuple[Incoming, ...]) -> KafkaMessage:
    """A parser that cannot fail: what a record holds is judged by the inbox."""
    return KafkaMessage(raw_message=records, body=b"", headers={}, consumer=None)  # type: ignore[arg-type]


async def _records(message: KafkaMessage) -> list[Incoming]:
    raw = message.raw_message
    return list(raw) if isinstance(raw, tuple | list) else [raw]
