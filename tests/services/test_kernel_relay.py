"""From the journal to the topic (D3): everything, in order, at least once, with nothing clear."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from deploy.local.broker import LocalBroker
from services.intake.commands import RequestWithdrawal
from services.routing.commands import RecordStaffMember
from shared.errors import Unavailable
from shared.identifiers import DEPARTMENT, CaseId, Role, Source, Step
from shared.journal import relay as relay_module
from shared.journal.desk import Answer, Wish
from shared.journal.relay import Relay
from shared.journal.rows import lock_class
from shared.journal.sending import send_round
from shared.journal.work import Origin
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS, create_topics
from shared.privacy.sealing import PLAIN_BYTES_MAX
from tests.stages import TABLES, TOPIC_NAMES, Running, Site, people, staff, until

CANARY_IIN = "900000007919"
CANARY_NAME = "Кәусар-Канарейка"
CANARY_TEXT = "moving to Canary Street 17"


@dataclass(frozen=True)
class Told:
    """A record of the log, as any Kafka client sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: dict[str, bytes]
    value: bytes

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.offset}"

    @property
    def sequence(self) -> int:
        return int(self.headers["ce_sequence"])


def read_log(site: Site, topic: str = CASE_EVENTS) -> list[Told]:
    """All records since the site began, with librdkafka, which shares no code with ours."""
    consumer = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "any-client"})
    found: list[Told] = []
    try:
        starts = [
            TopicPartition(*at, offset) for at, offset in site.floor.items() if at[0] == topic
        ]
        ends = [consumer.get_watermark_offsets(place, timeout=20)[1] for place in starts]
        expected = sum(end - place.offset for place, end in zip(starts, ends, strict=True))
        consumer.assign(starts)
        while len(found) < expected:
            messages = consumer.consume(min(1000, expected - len(found)), timeout=20)
            assert messages, f"{expected} records, and only {len(found)} come"
            found += map(_told, messages)
    finally:
        consumer.close()
    return found


def _told(message: Message) -> Told:
    assert message.error() is None
    key, headers, value = message.key(), message.headers(), message.value()
    assert isinstance(key, bytes)
    assert isinstance(headers, list)
    assert isinstance(value, bytes)
    texts = {name: text for name, text in headers if isinstance(text, bytes)}
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Told(topic, partition, offset, key, texts, value)


def of_case(told: list[Told], case_id: CaseId) -> list[Told]:
    return [record for record in told if record.key == str(case_id).encode()]


async def with_staff(site: Site, **options: Any) -> Running:
    await site.tell(staff())
    intake = await site.start(Source.INTAKE, **options)
    await intake.read()
    return intake


@pytest.fixture
async def intake(site: Site) -> Running:
    """Intake, which knows the staff of one office and sends what it tells."""
    intake = await with_staff(site)
    intake.send()
    return intake


async def lodged(site: Site, intake: Running, iins: list[str]) -> list[Answer]:
    answers = await intake.desk.perform_all(await site.applications(iins))
    assert all(isinstance(answer, Answer) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Answer)]


# ---- what any client reads ----------------------------------------------------------------------


async def test_what_is_recorded_is_read_by_any_client_with_every_header(
    site: Site, intake: Running
) -> None:
    wish = await site.application(by_rule=(Step.REGISTER,), key=f"{'a' * 64}:{'b' * 64}")
    first = await intake.desk.perform(wish)
    ask = RequestWithdrawal(case_id=first.case_id, actor="staff:aigul", reason="moving")
    trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    last = await intake.perform(ask, traceparent=trace)
    told = of_case(read_log(site), first.case_id)
    assert [record.sequence for record in told] == [1, 2, 3]
    assert (first.position, last.position) == (told[1].place, told[2].place)
    for record, row in zip(told, await journal(intake), strict=True):
        headers = {name: text.decode() for name, text in record.headers.items()}
        assert headers.pop("content-type") == "application/json"
        assert {name.removeprefix("ce_"): text for name, text in headers.items()} == json.loads(
            row["attributes"]
        )
        assert record.value.decode() == row["data"]
        assert headers["ce_id"] == str(row["event_id"])
        assert json.loads(record.value)
    first_headers, last_headers = told[0].headers, told[2].headers
    assert first_headers["ce_idempotencykey"] == f"{'a' * 64}:{'b' * 64}".encode()
    assert told[1].headers["ce_idempotencykey"] == first_headers["ce_idempotencykey"]
    assert "ce_idempotencykey" not in last_headers
    assert first_headers["ce_prevhash"] == b"0" * 64
    assert first_headers["ce_synthetic"] == b"true"
    assert first_headers["ce_office"] == b"almaly"
    assert [record.headers["ce_turn"] for record in told] == [b"0", b"0", b"1"]
    assert last_headers["ce_traceparent"] == trace.encode()


async def journal(stage: Running) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await stage.pool.fetch(
        "SELECT * FROM journal ORDER BY case_id, sequence"
    )
    return rows


async def test_nothing_of_a_person_is_in_the_log_or_in_any_table(
    site: Site, intake: Running
) -> None:
    wish = await site.application(
        CANARY_IIN,
        surname=CANARY_NAME,
        phone="+77010001917",
        email="canary@example.kz",
        address=CANARY_TEXT,
        form={"child": CANARY_NAME},
    )
    answer = await intake.desk.perform(wish)
    await intake.perform(
        RequestWithdrawal(case_id=answer.case_id, actor="staff:aigul", reason=CANARY_TEXT)
    )
    await intake.read()
    seen = "".join(
        f"{record.key!r} {record.headers!r} {record.value.decode()}" for record in read_log(site)
    )
    for table in TABLES:
        rows = await intake.pool.fetch(f"SELECT t::text AS line FROM {table} t")
        seen += "".join(row["line"] for row in rows)
    assert str(answer.case_id) in seen
    for canary in (CANARY_IIN, CANARY_NAME, CANARY_TEXT, "+77010001917", "canary@example"):
        assert canary not in seen
        assert repr(canary.encode())[2:-1] not in seen
        assert json.dumps(canary)[1:-1] not in seen


async def test_facts_of_the_department_go_to_their_own_topic(site: Site) -> None:
    routing = await site.start(Source.ROUTING)
    routing.send()
    command = RecordStaffMember(
        case_id=DEPARTMENT,
        actor="rule:bootstrap",
        staff="admin",
        office="almaly",
        roles=(Role.ADMINISTRATOR,),
        active=True,
        full_name=CANARY_NAME,
    )
    await routing.desk.perform(Wish(command, Origin(), opens=True))
    (record,) = read_log(site, DEPARTMENT_EVENTS)
    assert record.key == str(DEPARTMENT).encode()
    assert record.headers["ce_type"] == b"qyzmet.routing.staff-member-recorded.v1"
    assert CANARY_NAME.encode() not in record.value
    assert read_log(site) == []


async def test_the_outbox_empties_and_published_says_where_everything_is(
    site: Site, intake: Running
) -> None:
    answers = await lodged(site, intake, people(300)) + await lodged(site, intake, people(250, 300))
    assert await intake.pool.fetchval("SELECT count(*) FROM outbox") == 0
    rows = await intake.pool.fetch(
        'SELECT event_id, case_id, partition, "offset" FROM published JOIN journal USING (position)'
    )
    there = {(r["partition"], r["offset"]): r["event_id"] for r in rows}
    told = read_log(site)
    assert {(r.partition, r.offset): UUID(r.headers["ce_id"].decode()) for r in told} == there
    assert {answer.position for answer in answers} == {record.place for record in told}


async def test_more_than_one_round_drains_in_the_order_of_the_journal(site: Site) -> None:
    intake = await with_staff(site, publish_wait_s=0.01)
    wishes = await site.applications(people(700), by_rule=(Step.REGISTER,))
    for start in range(0, len(wishes), 350):
        await intake.desk.perform_all(wishes[start : start + 350])
    assert await intake.pool.fetchval("SELECT count(*) FROM outbox") == 1400
    await intake.sent()
    told = read_log(site)
    assert len(told) == 1400
    assert_in_order(told)


def assert_in_order(told: list[Told]) -> None:
    """Per case no sequence comes before the one below it has come, and a place has one event."""
    last: dict[bytes, int] = {}
    events: dict[tuple[bytes, int], bytes] = {}
    for record in told:
        place = (record.key, record.sequence)
        assert events.setdefault(place, record.headers["ce_id"]) == record.headers["ce_id"]
        assert record.sequence <= last.get(record.key, 0) + 1
        last[record.key] = max(record.sequence, last.get(record.key, 0))


async def test_the_largest_private_part_is_published(site: Site, intake: Running) -> None:
    room = PLAIN_BYTES_MAX - 700
    form = {f"{number:03d}": "ж" * 9_900 for number in range(room // 19_850)}
    answer = await intake.desk.perform(await site.application(form=form))
    (record,) = of_case(read_log(site), answer.case_id)
    assert len(record.value) > 900_000


# ---- more than one leader, or none --------------------------------------------------------------


async def test_two_leaders_at_once_make_only_duplicates(site: Site) -> None:
    intake = await with_staff(site, publish_wait_s=0.01)
    await intake.desk.perform_all(await site.applications(people(400), by_rule=(Step.REGISTER,)))
    second = Relay(site.url, site.schema(Source.INTAKE), site.bootstrap)
    second._lock = (lock_class("another relay"), 1)
    other = asyncio.create_task(second.run())
    await intake.sent()
    await until(lambda: _leads(second), "the second one leads, too")
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    told = read_log(site)
    assert len({(record.key, record.sequence) for record in told}) == 800
    assert_in_order(told)
    await intake.read()
    assert await intake.pool.fetchval("SELECT count(*) FROM parked") == 0
    rows = await intake.pool.fetch('SELECT partition, "offset" FROM published')
    assert {(row["partition"], row["offset"]) for row in rows} <= {
        (record.partition, record.offset) for record in told
    }


async def _leads(relay: Relay) -> bool:
    return relay.leads


async def test_a_replica_that_does_not_lead_is_told_of_what_the_leader_sent(
    site: Site, intake: Running
) -> None:
    await intake.sent()
    other = await site.start(Source.INTAKE)
    other.send()
    wishes = await site.applications(people(5))
    answers = await asyncio.gather(*(other.desk.perform(wish) for wish in wishes))
    assert not other.relay.leads
    assert all(answer.position is not None for answer in answers)
    assert {answer.position for answer in answers} == {each.place for each in read_log(site)}


async def test_when_the_leader_ends_the_other_replica_sends(site: Site, intake: Running) -> None:
    await intake.sent()
    other = await site.start(Source.INTAKE)
    other.send()
    await intake.stop_sending()
    answer = await other.desk.perform(await site.application())
    assert answer.position is not None
    assert other.relay.leads


async def test_a_leader_that_is_stuck_is_evicted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_STALE_S", 0.5)
    intake = await with_staff(site)
    stuck = await asyncpg.connect(site.url)
    try:
        lock = intake.relay._lock
        assert await stuck.fetchval("SELECT pg_try_advisory_lock($1, $2)", *lock)
        intake.send()
        answer = await intake.desk.perform(await site.application())
        assert answer.position is not None
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await stuck.fetchval("SELECT 1")
    finally:
        stuck.terminate()


async def test_a_leader_with_nothing_to_send_is_left_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_STALE_S", 0.2)
    intake = await with_staff(site)
    idle = await asyncpg.connect(site.url)
    try:
        assert await idle.fetchval("SELECT pg_try_advisory_lock($1, $2)", *intake.relay._lock)
        intake.send()
        watched = asyncio.get_running_loop().time()

        async def long_enough() -> bool:
            return asyncio.get_running_loop().time() - watched > 1.5

        await until(long_enough, "it had time to evict")
        assert await idle.fetchval("SELECT 1") == 1
        assert not intake.relay.leads
    finally:
        await idle.close()
        await intake.sent()


# ---- a broker that fails ------------------------------------------------------------------------


class _VagueProducer:
    """Answers as aiokafka does when a retry is found to be a duplicate: offset unknown."""

    async def send(self, *_args: object, **_named: object) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(TopicPlace(CASE_EVENTS, 0, -1))
        return future


@dataclass(frozen=True)
class TopicPlace:
    """What a producer answers."""

    topic: str
    partition: int
    offset: int


async def test_an_unknown_offset_is_never_stored(site: Site) -> None:
    intake = await with_staff(site, publish_wait_s=0.01)
    await intake.desk.perform(await site.application())
    rows = await intake.pool.fetch(relay_module._NEXT, 10)
    with pytest.raises(Unavailable, match="without telling the offset"):
        await send_round(_VagueProducer(), rows)
    with pytest.raises(asyncpg.CheckViolationError):
        await intake.pool.execute(relay_module._MOVE, [rows[0]["position"]], [0], [-1])


async def test_a_broker_killed_while_it_is_sent_to_loses_nothing(
    mortal_site: Site, mortal: LocalBroker
) -> None:
    site = mortal_site
    intake = await with_staff(site, publish_wait_s=0.01)
    intake.send()
    wishes = await site.applications(people(1500), by_rule=(Step.REGISTER,))
    for start in range(0, 1500, 100):
        await intake.desk.perform_all(wishes[start : start + 100])
        if start == 700:
            await asyncio.to_thread(mortal.kill)
            intake.desk._backlog_limit_s = 600
    assert await intake.pool.fetchval("SELECT count(*) FROM outbox") > 0
    await asyncio.to_thread(mortal.start)
    await asyncio.to_thread(mortal.wait_ready)
    await intake.sent()
    told = read_log(site)
    assert len({(record.key, record.sequence) for record in told}) == 3000
    assert_in_order(told)
    await intake.read()
    assert await intake.pool.fetchval("SELECT count(*) FROM parked") == 0
    assert await intake.pool.fetchval("SELECT count(*) FROM published") == 3000


async def test_topics_are_as_declared(mortal_site: Site) -> None:
    assert await create_topics(mortal_site.bootstrap) == []
    assert {topic for topic, _ in mortal_site.floor} == set(TOPIC_NAMES)
    assert sum(1 for topic, _ in mortal_site.floor if topic == CASE_EVENTS) == 12
