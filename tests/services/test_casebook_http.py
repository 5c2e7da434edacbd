"""Casebook asked over HTTP: who sees what, how fresh it is, and what the live feed says."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from deploy.local.broker import LocalBroker
from deploy.local.postgres import LocalPostgres
from services.casebook.streaming import Stream
from shared.clock import now
from shared.identifiers import Role, new_id
from tests.department import Office, department
from tests.facts import IIN
from tests.readside import served, token
from tests.streams import following, heard, listening

CLERK = token("aigul", "almaly", Role.OFFICE_SPECIALIST)
HEAD = token("head", "almaly", Role.HEAD)
BOLAT = token("bolat", "almaly", Role.RESPONSIBLE_EXECUTOR)
STRANGER = token("saule", "medeu", Role.OFFICE_SPECIALIST)
OPERATOR = token("timur", "almaly", Role.OPERATOR)


@pytest.fixture
async def office(
    broker: LocalBroker, postgres: LocalPostgres, database: str, tmp_path: Path
) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


async def test_what_an_office_asks_and_what_another_never_sees(office: Office) -> None:
    mine, foreign = await office.case(), await office.case("medeu")
    mine.lodged()
    mine.registered()
    mine.assigned()
    foreign.lodged()
    async with served(office.settings) as client:
        at = await office.tell(*office.staff.written, *foreign.written, *mine.written)
        case = f"/cases/{mine.case_id}"
        found = (await client.get(case, headers=CLERK, params={"min_position": at})).json()
        assert found["case"]["state"] == "assigned"
        assert found["case"]["executor"] == "bolat"
        assert found["case"]["due"]["clause"] == "R3 5.3"
        assert found["case"]["position"] in found["as_of"]["positions"]
        assert found["parked"] is None

        for who, count in ((CLERK, 1), (STRANGER, 0)):
            numbered = await client.get("/cases", headers=who, params={"number": mine.number})
            assert len(numbered.json()["cases"]) == count

        timeline = (await client.get(f"{case}/timeline", headers=CLERK)).json()
        assert [fact["clauses"] for fact in timeline["facts"]] == [
            ["R3 5.1"], ["R3 5.1"], ["R3 5.2"],
        ]  # fmt: skip
        assert [fact["private"] for fact in timeline["facts"]] == ["sealed", "none", "sealed"]
        assert all(fact["held"] for fact in timeline["facts"])
        paged = await client.get(f"{case}/timeline", headers=CLERK, params={"limit": 2})
        following = {"limit": 2, "after": paged.json()["next"]}
        rest = (await client.get(f"{case}/timeline", headers=CLERK, params=following)).json()
        assert [fact["place"] for fact in rest["facts"]] == [3]
        assert rest["next"] is None

        for path in (case, f"{case}/timeline", f"{case}/timeline?open=true&purpose=case-work"):
            refused = await client.get(path, headers=STRANGER)
            assert (refused.status_code, refused.json()["type"]) == (404, "/problems/missing")
            nothing = path.replace(str(mine.case_id), str(new_id()))
            assert (await client.get(nothing, headers=STRANGER)).json() == refused.json()
            assert (await client.get(path)).status_code == 401

        asked = await client.post("/applicants/status", headers=CLERK, json={"iin": IIN})
        assert [each["case_id"] for each in asked.json()["cases"]] == [str(mine.case_id)]
        asked = await client.post("/applicants/status", headers=OPERATOR, json={"iin": IIN})
        assert len(asked.json()["cases"]) == 2
        assert "Canary" not in asked.text
        reference = {"applicant": str(mine.applicant)}
        asked = await client.post("/applicants/status", headers=STRANGER, json=reference)
        assert [each["case_id"] for each in asked.json()["cases"]] == [str(foreign.case_id)]
        asked = await client.post("/applicants/status", headers=CLERK, json={})
        assert asked.status_code == 422

        counted = (await client.get("/counts", headers=CLERK)).json()["counts"]
        assert [(each["office"], each["stage"], each["open"]) for each in counted] == [
            ("almaly", "executor", 1)
        ]


async def test_sealed_parts_open_for_those_who_may(office: Office) -> None:
    case = await office.case()
    case.lodged()
    today = now().date()
    office.staff.member("gone", Role.OFFICE_SPECIALIST, active=False)
    office.staff.member("ill", Role.OFFICE_SPECIALIST)
    office.staff.away("ill", today - timedelta(days=2), today + timedelta(days=2))
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *case.written)
        path = f"/cases/{case.case_id}/timeline?open=true&purpose=case-work"
        opened = (await client.get(path, headers=CLERK)).json()["facts"][0]
        assert (opened["private"], opened["opened"]["surname"]) == ("opened", "Canary")
        for who in (
            OPERATOR,
            token("gone", "almaly", Role.OFFICE_SPECIALIST),
            token("ill", "almaly", Role.OFFICE_SPECIALIST),
            token("unknown", "almaly", Role.HEAD),
        ):
            refused = await client.get(path, headers=who)
            assert refused.status_code == 403
            assert "Canary" not in refused.text
        for asked in ("open=true", "open=true&purpose=curiosity"):
            nameless = await client.get(f"/cases/{case.case_id}/timeline?{asked}", headers=CLERK)
            assert (nameless.status_code, "Canary" in nameless.text) == (422, False)
            assert "purpose" in nameless.text
        listed = await office.side.pool.fetch("SELECT staff, purpose FROM public.openings")
        assert [tuple(row) for row in listed] == [("aigul", "case-work")]
        await office.vault.erase([case.case_id])
        destroyed = (await client.get(path, headers=CLERK)).json()["facts"][0]
        assert (destroyed["private"], destroyed["opened"]) == ("erased", None)
        await office.tell(case.erased())
        found = await client.get(path, headers=CLERK)
        assert found.json()["erased"]
        assert "Canary" not in found.text


async def test_erasures_are_applied_again_before_anything_is_served(office: Office) -> None:
    case, kept = await office.case(), await office.case()
    case.lodged()
    case.erased()
    async with office.side.folding():
        await office.tell(*office.staff.written, kept.lodged(), *case.written)
    assert set(await office.vault.keys([case.case_id, kept.case_id])) == {
        case.case_id, kept.case_id,
    }  # fmt: skip
    async with served(office.settings) as client:
        assert set(await office.vault.keys([case.case_id, kept.case_id])) == {kept.case_id}
        path = f"/cases/{kept.case_id}/timeline?open=true&purpose=case-work"
        assert "Canary" in (await client.get(path, headers=CLERK)).text


async def test_queues_hold_what_a_role_has_to_do(office: Office) -> None:
    cases = [await office.case() for _ in range(6)]
    for count, case in enumerate(cases[:5]):
        for step in (case.lodged, case.registered, case.assigned, case.drafted, case.signed)[
            : count + 1
        ]:
            step()
    cases[5].clock += timedelta(days=900)
    cases[5].lodged()
    async with served(office.settings) as client:
        records = [record for case in cases for record in case.written]
        await office.tell(*office.staff.written, *records)

        async def queue(name: str, who: dict[str, str], **params: str) -> httpx.Response:
            return await client.get(f"/queues/{name}", headers=who, params=params)

        async def ids(name: str, who: dict[str, str], **params: str) -> list[str]:
            found = await queue(name, who, **params)
            assert found.status_code == 200, found.text
            return [each["case_id"] for each in found.json()["cases"]]

        number = [str(case.case_id) for case in cases]
        assert await ids("to-register", CLERK) == [number[0], number[5]]
        assert await ids("to-assign", HEAD) == [number[1]]
        assert await ids("to-draft", BOLAT) == [number[2]]
        assert await ids("to-draft", HEAD, executor="somebody") == []
        assert await ids("to-sign", HEAD) == [number[3]]
        assert await ids("to-issue", CLERK) == [number[4]]
        assert await ids("to-register", STRANGER) == []
        assert await ids("to-sign", OPERATOR) == [number[3]]
        assert (await queue("to-assign", CLERK)).status_code == 403
        first = (await queue("to-register", CLERK, limit="1")).json()
        assert [each["case_id"] for each in first["cases"]] == [number[0]]
        assert first["cases"][0]["overdue"]
        rest = await ids("to-register", CLERK, limit="1", after=first["next"])
        assert rest == [number[5]]
        assert (await queue("to-register", CLERK, after="nonsense")).status_code == 422


async def test_who_is_here_today_and_who_acts(office: Office) -> None:
    case, today = await office.case(), now().date()
    office.staff.away("head", today, today + timedelta(days=1))
    office.staff.acting("aigul", today - timedelta(days=1), today + timedelta(days=1))
    case.lodged()
    case.registered()
    case.assigned()
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *case.written)
        found = (await client.get("/directory", headers=CLERK)).json()["staff"]
        assert [each["staff"] for each in found] == ["aigul", "bolat", "head"]
        assert [each["roles"] for each in found] == [
            ["head", "office-specialist"], ["responsible-executor"], [],
        ]  # fmt: skip
        assert [each["open"] for each in found] == [0, 1, 0]
        assert [each["away"] for each in found] == [False, False, True]
        assert all(each["name"] is None for each in found)
        opened = (await client.get("/directory?open=true&purpose=directory", headers=CLERK)).json()[
            "staff"
        ]
        assert opened[0]["name"] == "Full Name of aigul"
        assert (await client.get("/queues/to-assign", headers=CLERK)).status_code == 200


async def test_freshness_parked_and_positions(office: Office) -> None:
    case = await office.case()
    case.lodged()
    case.written.append(case.registered().but(value=b"{}"))
    case.written.pop(1)
    async with served(office.settings) as client:
        at = await office.tell(*office.staff.written, *case.written)
        fresh = (await client.get("/freshness", headers=CLERK)).json()
        assert len(fresh["partitions"]) == 13
        assert fresh["folds_here"]
        assert at in fresh["as_of"]["positions"]
        found = (await client.get(f"/cases/{case.case_id}", headers=CLERK)).json()
        assert found["parked"].startswith("malformed")
        parked = (await client.get("/parked", headers=OPERATOR)).json()["parked"]
        assert [(each["case_id"], each["position"]) for each in parked] == [(str(case.case_id), at)]
        assert (await client.get("/parked", headers=STRANGER)).json()["parked"] == []
        partition, offset = at.split(":")
        late = await client.get(
            "/counts", headers=CLERK, params={"min_position": f"{partition}:{int(offset) + 1}"}
        )
        assert late.status_code == 503
        assert late.headers["retry-after"] == "1"
        wrong = await client.get("/counts", headers=CLERK, params={"min_position": "77:1"})
        assert wrong.status_code == 422


async def test_the_feed_tells_what_changed_and_resumes_without_loss(office: Office) -> None:
    case, foreign = await office.case(), await office.case("medeu")
    async with served(office.settings) as client:
        await office.tell(*office.staff.written)
        async with listening(client, CLERK) as stream:
            connected = await following(stream)
            assert connected["event"] == "connected"
            await office.tell(foreign.lodged())
            at = await office.tell(case.lodged())
            changed = await following(stream)
        assert changed["event"] == "changed"
        told = json.loads(changed["data"])["changes"]
        assert [(each["case_id"], each["position"]) for each in told] == [(str(case.case_id), at)]
        assert "Canary" not in str(changed)
        for record in (case.registered(), case.assigned(), case.drafted()):
            await office.tell(record)
        async with listening(client, CLERK, changed["id"]) as stream:
            missed = await heard(stream, 3)
            await office.tell(case.signed())
            live = await heard(stream, 1)
        numbers = [told[0]["change"], *missed, *live]
        assert numbers == sorted(set(numbers))
        async with listening(client, OPERATOR, connected["id"]) as stream:
            began = int(connected["id"].partition(":")[2])
            every = list(range(began + 1, live[0] + 1))
            assert await heard(stream, len(every)) == every
        for stranger in ("elsewhere:1", "nonsense", connected["id"] + "999"):
            async with listening(client, CLERK, stranger) as stream:
                assert (await following(stream))["event"] == "reload"


async def test_a_restart_of_casebook_loses_no_change(office: Office) -> None:
    case = await office.case()
    async with served(office.settings) as client:
        await office.tell(case.lodged())
        async with listening(client, CLERK) as stream:
            last = (await following(stream))["id"]
    async with office.side.folding():
        await office.tell(case.registered())
    async with served(office.settings) as client:
        await office.tell(case.assigned())
        async with listening(client, CLERK, last) as stream:
            began = int(last.partition(":")[2])
            assert await heard(stream, 3 - began) == list(range(began + 1, 4))


async def test_a_token_that_ends_ends_the_stream(office: Office) -> None:
    brief = token("aigul", "almaly", Role.OFFICE_SPECIALIST, lifetime=timedelta(seconds=2))
    async with served(office.settings) as client, listening(client, brief) as stream:
        assert (await following(stream))["event"] == "connected"
        assert (await following(stream))["event"] == "expired"
        with pytest.raises(StopAsyncIteration):
            await following(stream)


async def test_the_past_is_asked_by_instant_and_by_position(office: Office) -> None:
    case = await office.case()
    path = f"/cases/{case.case_id}"
    async with office.side.folding():
        await office.tell(*office.staff.written, case.lodged())
        drafting = await office.tell(case.registered(), case.assigned())
        await asyncio.sleep(0.05)
        between = now()
        await asyncio.sleep(0.05)
        await office.tell(case.drafted(), case.signed(), case.issued(), case.erased())
    async with served(office.settings) as client:
        for moment in ({"position": drafting}, {"at": between.isoformat()}):
            found = (await client.get(path, headers=CLERK, params=moment)).json()
            assert (found["case"]["state"], found["case"]["executor"]) == ("assigned", "bolat")
            assert not found["case"]["erased"]
            assert drafting in found["as_of"]["positions"]
            queue = await client.get("/queues/to-draft", headers=HEAD, params=moment)
            assert [each["case_id"] for each in queue.json()["cases"]] == [str(case.case_id)]
            listed = await client.get(
                "/cases", headers=HEAD, params={**moment, "state": "assigned"}
            )
            assert [each["case_id"] for each in listed.json()["cases"]] == [str(case.case_id)]
            question = {"applicant": str(case.applicant)}
            of_person = await client.post(
                "/applicants/status", headers=CLERK, json=question, params=moment
            )
            assert [each["state"] for each in of_person.json()["cases"]] == ["assigned"]
            timeline = await client.get(
                f"{path}/timeline",
                headers=CLERK,
                params={**moment, "open": "true", "purpose": "case-work"},
            )
            facts = timeline.json()["facts"]
            assert [fact["type"].split(".")[2] for fact in facts][-1] == "executor-assigned"
            # What is erased today is not shown of yesterday either.
            assert {fact["private"] for fact in facts} <= {"none", "erased"}
        assert (await client.get(path, headers=CLERK)).json()["case"]["state"] == "issued"
        assert (await client.get("/queues/to-draft", headers=HEAD)).json()["cases"] == []
        stranger = await client.get(path, headers=STRANGER, params={"position": drafting})
        assert stranger.status_code == 404


async def test_a_moment_that_is_none_is_told_so(office: Office) -> None:
    case = await office.case()
    async with office.side.folding():
        position = await office.tell(case.lodged())
    wrong: list[tuple[dict[str, str], str]] = [
        ({"at": "2026-11-20T00:00"}, "at"),
        ({"at": "1442-07-21T02:08:05+07:35"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "at"),
        ({"at": (now() + timedelta(days=1)).isoformat()}, "at"),
        ({"at": "2026-11-20T00:00+05:00", "position": position}, "position"),
        ({"position": "nowhere"}, "position"),
        ({"position": "99:1"}, "position"),
        ({"position": f"{position.partition(':')[0]}:1000000"}, "position"),
        ({"position": "6:00000"}, "position"),
    ]
    async with served(office.settings) as client:
        for moment, field in wrong:
            answer = await client.get(f"/cases/{case.case_id}", headers=CLERK, params=moment)
            assert answer.status_code == 422, moment
            assert answer.json()["field"] == field
        early = {"at": "2015-11-24T00:00:00+06:00"}
        answer = await client.get(f"/cases/{case.case_id}", headers=CLERK, params=early)
        assert answer.status_code == 404


async def test_who_asks_while_the_tables_are_lost_waits_and_is_answered(office: Office) -> None:
    case = await office.case()
    path = f"/cases/{case.case_id}"
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, case.lodged())
        position = await office.tell(case.registered())
        await office.side.pool.execute("DROP SCHEMA casebook CASCADE")
        answers = await asyncio.gather(
            client.get(path, headers=CLERK, params={"min_position": position}, timeout=40),
            client.get("/queues/to-assign", headers=HEAD, timeout=40),
            client.get("/directory", headers=CLERK, timeout=40),
            client.post("/applicants/status", headers=CLERK, json={"iin": IIN}, timeout=40),
        )
        assert [answer.status_code for answer in answers] == [200] * 4
        assert answers[0].json()["case"]["state"] == "registered"


async def test_a_client_that_reads_nothing_gives_up_its_place() -> None:
    ended = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": still here\n\n"
        finally:
            ended.set()

    sent: list[Message] = []

    async def full(message: Message) -> None:
        sent.append(message)
        if len(sent) > 3:
            await asyncio.Event().wait()

    stream = Stream(parts(), media_type="text/event-stream")
    stream.taken_within_s = 0.1
    async with asyncio.timeout(5):
        await stream.stream_response(full)
        await ended.wait()
    assert len(sent) == 4
