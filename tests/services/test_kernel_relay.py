"""From the journal to the topic (D3): everything, in order, at least once, with nothing clear."""

import json
from uuid import UUID

import asyncpg

from services.intake.commands import RequestWithdrawal
from services.routing.commands import RecordStaffMember
from shared.identifiers import DEPARTMENT, Role, Source, Step
from shared.journal.desk import Answer, Wish
from shared.journal.work import Origin
from shared.messaging.topics import DEPARTMENT_EVENTS
from shared.privacy.sealing import PLAIN_BYTES_MAX
from tests.any_client import assert_in_order, of_case, read_log
from tests.running import Running
from tests.stages import TABLES, Site, people, with_staff

CANARY_IIN = "900000007919"
CANARY_NAME = "Кәусар-Канарейка"
CANARY_TEXT = "moving to Canary Street 17"


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
    intake = await with_staff(site, Source.INTAKE, publish_wait_s=0.01)
    wishes = await site.applications(people(700), by_rule=(Step.REGISTER,))
    for start in range(0, len(wishes), 350):
        await intake.desk.perform_all(wishes[start : start + 350])
    assert await intake.pool.fetchval("SELECT count(*) FROM outbox") == 1400
    await intake.sent()
    told = read_log(site)
    assert len(told) == 1400
    assert_in_order(told)


async def test_the_largest_private_part_is_published(site: Site, intake: Running) -> None:
    room = PLAIN_BYTES_MAX - 700
    form = {f"{number:03d}": "ж" * 9_900 for number in range(room // 19_850)}
    answer = await intake.desk.perform(await site.application(form=form))
    (record,) = of_case(read_log(site), answer.case_id)
    assert len(record.value) > 900_000
