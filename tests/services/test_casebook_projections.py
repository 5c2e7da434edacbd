"""The projections of the whole office: what they say, and that a fact told twice says it once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from services.casebook.projections import TABLES
from shared.clock import DEPARTMENT_ZONE, now
from shared.events.notify import NoticeFailed
from shared.identifiers import Role, Source, Step
from tests.department import Office, department
from tests.facts import CaseFacts, DepartmentFacts
from tests.readside import FOLDED, served, token

CLERK = token("aigul", "almaly", Role.OFFICE_SPECIALIST)
STRANGER = token("saule", "medeu", Role.OFFICE_SPECIALIST)
OPERATOR = token("timur", "almaly", Role.OPERATOR)


@pytest.fixture
async def office(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


def notice_failed(case: CaseFacts) -> None:
    event = NoticeFailed(
        way="sms", template="result-ready", reason="unknown-number", failed_at=case.clock
    )
    case.tell(Source.NOTIFY, event, actor="rule:notice")


async def test_every_fact_told_twice_changes_no_table(office: Office) -> None:
    cases = [CaseFacts() for _ in range(4)]
    for case in cases:
        case.straight_through()
    cases[0].notice_sent()
    notice_failed(cases[1])
    cases[2].erased()
    returned = CaseFacts()
    for step in (returned.lodged, returned.registered, returned.assigned, returned.drafted):
        step()
    returned.returned()
    returned.overdue(Source.EXECUTOR, Step.DRAFT)
    staff = DepartmentFacts()
    staff.member("bolat", Role.RESPONSIBLE_EXECUTOR)
    staff.away("bolat", now().date(), now().date())
    staff.acting("bolat", now().date(), now().date())
    records = [record for case in (*cases, returned) for record in case.written] + staff.written
    async with office.side.folding():
        await office.side.tell(*records)
        once = await office.side.tables()
        await office.side.tell(*reversed(records), *records)
        twice = await office.side.tables()
    assert all(once[table] for table in TABLES), "each table has something to lose"
    for table in TABLES:
        assert once[table] == twice[table], table


def test_every_table_of_a_projection_is_compared_after_a_rebuild() -> None:
    assert set(TABLES) <= set(FOLDED)


async def test_the_register_says_what_went_out_how_and_to_whom(office: Office) -> None:
    first, second, foreign = await office.case(), await office.case(), await office.case("medeu")
    second.clock += timedelta(days=3)
    for case in (first, second, foreign):
        case.straight_through()
    open_case = await office.case()
    open_case.lodged()
    async with served(office.settings) as client:
        at = await office.tell(
            *first.written, *second.written, *foreign.written, *open_case.written
        )

        async def register(who: dict[str, str], **params: str) -> list[dict[str, Any]]:
            asked = {"min_position": at, **params}
            found = await client.get("/results", headers=who, params=asked)
            assert found.status_code == 200, found.text
            assert found.json()["as_of"]["time"] is not None
            results: list[dict[str, Any]] = found.json()["results"]
            return results

        listed = await register(CLERK)
        assert [each["result_number"] for each in listed] == [
            f"{second.number}/1", f"{first.number}/1",
        ]  # fmt: skip
        assert {name: listed[1][name] for name in ("outcome", "way", "receiver", "applicant")} == {
            "outcome": "granted",
            "way": "desk",
            "receiver": "applicant",
            "applicant": str(first.applicant),
        }
        assert listed[1]["registration_number"] == first.number
        assert len(await register(OPERATOR)) == 3
        assert [each["case_id"] for each in await register(STRANGER)] == [str(foreign.case_id)]
        day = first.clock.astimezone(DEPARTMENT_ZONE).date()
        of_the_day = await register(CLERK, first_day=str(day), last_day=str(day))
        assert [each["case_id"] for each in of_the_day] == [str(first.case_id)]
        assert await register(CLERK, last_day=str(day - timedelta(days=1))) == []
        assert await register(CLERK, outcome="refused") == []
        assert await register(CLERK, procedure="prosthetic-aid") == []
        wrong = {"first_day": str(day), "last_day": str(day - timedelta(days=1))}
        refused = await client.get("/results", headers=CLERK, params=wrong)
        assert (refused.status_code, refused.json()["field"]) == (422, "first_day")


async def test_notices_say_which_message_failed_and_why(office: Office) -> None:
    told, untold, foreign = await office.case(), await office.case(), await office.case("medeu")
    for case in (told, untold, foreign):
        case.straight_through()
    told.notice_sent()
    untold.clock += timedelta(hours=1)
    notice_failed(untold)
    foreign.notice_sent()
    async with served(office.settings) as client:
        at = await office.tell(*told.written, *untold.written, *foreign.written)

        async def notices(who: dict[str, str], **params: str) -> list[dict[str, Any]]:
            found = await client.get("/notices", headers=who, params={"min_position": at, **params})
            assert found.status_code == 200, found.text
            listed: list[dict[str, Any]] = found.json()["notices"]
            return listed

        failed, sent = await notices(CLERK)
        assert (failed["case_id"], failed["outcome"]) == (str(untold.case_id), "failed")
        assert (failed["reason"], failed["way"]) == ("unknown-number", "sms")
        assert failed["registration_number"] == untold.number
        assert (sent["outcome"], sent["reason"]) == ("sent", None)
        assert await notices(CLERK, outcome="failed") == [failed]
        assert await notices(CLERK, outcome="sent") == [sent]
        assert len(await notices(OPERATOR)) == 3
        assert [each["case_id"] for each in await notices(STRANGER)] == [str(foreign.case_id)]
        assert await notices(CLERK, first_day="2027-01-01") == []


async def test_ages_count_from_the_hand_off_that_led_to_the_stage(office: Office) -> None:
    at = now()
    fresh, old, returned = [await office.case() for _ in range(3)]
    fresh.clock = at - timedelta(hours=2)
    for case in (fresh, old):
        if case is old:
            case.clock = at - timedelta(days=20)
        case.lodged()
        case.registered()
        case.assigned()
    returned.clock = at - timedelta(days=30)
    for step in (returned.lodged, returned.registered, returned.assigned, returned.drafted):
        step()
    returned.clock = at - timedelta(days=1)
    returned.returned()
    # A stage that does not hold the turn changes nothing, not even an age.
    event = returned.written[-1]
    lodged = await office.case()
    lodged.clock = at - timedelta(hours=5)
    lodged.lodged()
    async with served(office.settings) as client:
        position = await office.tell(
            *office.staff.written, *fresh.written, *old.written, *lodged.written,
            *returned.written, event,
        )  # fmt: skip
        found = await client.get("/ages", headers=CLERK, params={"min_position": position})
        ages = {each["stage"]: each for each in found.json()["ages"]}
        assert set(ages) == {"intake", "executor"}
        drafting = ages["executor"]
        assert (drafting["open"], drafting["overdue"], drafting["due_in_a_day"]) == (3, 1, 0)
        assert drafting["oldest_age_s"] == pytest.approx(20 * 86_400, abs=600)
        assert drafting["median_age_s"] == pytest.approx(86_400, abs=600)
        assert ages["intake"]["oldest_age_s"] == pytest.approx(5 * 3_600, abs=600)
        assert ages["intake"]["overdue"] == 1
        assert (await client.get("/ages", headers=STRANGER)).json()["ages"] == []
        other = await client.get("/ages?procedure=prosthetic-aid", headers=CLERK)
        assert other.json()["ages"] == []


async def test_workload_lists_who_may_be_named_and_who_has_cases(office: Office) -> None:
    office.staff.member("daniyar", Role.RESPONSIBLE_EXECUTOR)
    office.staff.member("gone", Role.RESPONSIBLE_EXECUTOR, active=False)
    office.staff.member("medeu-executor", Role.RESPONSIBLE_EXECUTOR, office="medeu")
    mine, late, drafted, done, of_gone = [await office.case() for _ in range(5)]
    for case in (mine, drafted, done, of_gone):
        case.clock = now() - timedelta(hours=3)
    late.clock = now() - timedelta(days=60)
    for case in (mine, late, drafted, done):
        case.lodged()
        case.registered()
        case.assigned("bolat")
    drafted.drafted()
    for step in (done.drafted, done.signed, done.issued):
        step()
    of_gone.lodged()
    of_gone.registered()
    of_gone.assigned("gone")
    records = [record for case in (mine, late, drafted, done, of_gone) for record in case.written]
    async with served(office.settings) as client:
        at = await office.tell(*office.staff.written, *records)
        found = await client.get("/workload", headers=CLERK, params={"min_position": at})
        loads = {each["executor"]: each for each in found.json()["executors"]}
        assert list(loads) == ["bolat", "daniyar", "gone"]
        names = ("open", "to_draft", "overdue", "issued")
        assert [loads["bolat"][name] for name in names] == [3, 2, 1, 1]
        assert [loads["daniyar"][name] for name in names] == [0, 0, 0, 0]
        assert [loads["gone"][name] for name in names] == [1, 1, 0, 0]
        assert loads["bolat"]["nearest_due"] is not None
        others = (await client.get("/workload", headers=STRANGER)).json()["executors"]
        assert [each["executor"] for each in others] == ["medeu-executor"]
        every = (await client.get("/workload", headers=OPERATOR)).json()["executors"]
        assert len(every) == 4


async def test_a_queue_has_the_late_ones_first(office: Office) -> None:
    cases = [await office.case() for _ in range(3)]
    for case, days in zip(cases, (1, 40, 10), strict=True):
        case.clock = now() - timedelta(days=days)
        case.lodged()
        case.registered()
        case.assigned()
    async with served(office.settings) as client:
        at = await office.tell(
            *office.staff.written, *(record for case in cases for record in case.written)
        )
        head = token("head", "almaly", Role.HEAD)
        found = await client.get("/queues/to-draft", headers=head, params={"min_position": at})
    listed = [(each["case_id"], each["overdue"]) for each in found.json()["cases"]]
    assert listed == [
        (str(cases[1].case_id), True), (str(cases[2].case_id), True),
        (str(cases[0].case_id), False),
    ]  # fmt: skip
