"""Who reads what: each role on each way to read, and never a word of another office.

The table names every route of casebook; a route that is not in it fails the test.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from deploy.local.broker import LocalBroker
from services.casebook.wiring import make_app
from shared.clock import now
from shared.identifiers import Role
from tests.department import Office, department
from tests.facts import IIN, CaseFacts, Written
from tests.readside import served, token
from tests.streams import following, listening

STAFF: Final = {
    Role.OFFICE_SPECIALIST: "aigul",
    Role.RESPONSIBLE_EXECUTOR: "bolat",
    Role.HEAD: "head",
    Role.MANAGEMENT: "manager",
    Role.OPERATOR: "timur",
    Role.ADMINISTRATOR: "admin",
}
READERS: Final = frozenset(STAFF) - {Role.ADMINISTRATOR}
OPENERS: Final = READERS - {Role.OPERATOR}
ALL: Final = frozenset(STAFF)
SPECIALIST, HEAD = Role.OFFICE_SPECIALIST, Role.HEAD
EXECUTOR, MANAGEMENT, OPERATOR = Role.RESPONSIBLE_EXECUTOR, Role.MANAGEMENT, Role.OPERATOR


@dataclass(frozen=True)
class Way:
    """One way to read: how it is asked, by whom, and whether it can tell of a foreign case."""

    method: str
    path: str
    roles: frozenset[Role]
    query: str = ""
    body: dict[str, str] | None = None
    of_one_case: bool = False
    """Asked for a case of another office, it is not found; otherwise it is not in the list."""
    fills: bool = True
    """The answer names the own case."""


def queue(name: str, *roles: Role) -> Way:
    return Way("GET", f"/queues/{name}", frozenset({*roles, OPERATOR}), query="by_rule=true")


WAYS: Final = (
    Way("GET", "/cases", READERS, query="number={number}"),
    Way("GET", "/cases", READERS, query="procedure=home-education"),
    Way("GET", "/cases/{case_id}", READERS, of_one_case=True),
    Way("GET", "/cases/{case_id}/timeline", READERS, of_one_case=True),
    Way(
        "GET",
        "/cases/{case_id}/timeline",
        OPENERS,
        query="open=true&purpose=case-work",
        of_one_case=True,
    ),
    Way("POST", "/cases/search", READERS, body={}),
    Way("POST", "/cases/search", READERS, body={"number": "{number}"}),
    Way("POST", "/cases/search", READERS, body={"iin": IIN}),
    Way("POST", "/cases/search", READERS, body={"applicant": "{applicant}"}),
    Way("POST", "/cases/search", OPENERS, body={"name": "canary"}),
    Way("POST", "/cases/search", READERS, body={"order": "due"}, fills=False),
    Way("POST", "/applicants/status", READERS, body={"iin": IIN}),
    Way("POST", "/applicants/status", READERS, body={"applicant": "{applicant}"}),
    queue("to-register", SPECIALIST),
    queue("to-assign", HEAD),
    queue("to-draft", EXECUTOR, HEAD),
    # The management signs what R2 is about; these cases are of R3.
    replace(queue("to-sign", HEAD, MANAGEMENT), fills=False),
    queue("to-issue", SPECIALIST),
    Way("GET", "/counts", READERS, fills=False),
    Way("GET", "/ages", READERS, fills=False),
    Way("GET", "/workload", READERS, fills=False),
    Way("GET", "/results", READERS),
    Way("GET", "/notices", READERS),
    Way("GET", "/directory", ALL, fills=False),
    Way("GET", "/directory", OPENERS, query="open=true&purpose=directory", fills=False),
    Way("GET", "/parked", READERS, fills=False),
    Way("GET", "/freshness", ALL, fills=False),
    Way("GET", "/feed", READERS),
)
EXECUTOR_OF: Final = {"almaly": "bolat", "medeu": "medeu-executor"}
OPEN_TO_ALL: Final = {"/health/live", "/health/ready", "/metrics"}


@dataclass
class World:
    """Two offices that have the same cases, and everything that is known of each."""

    office: Office
    cases: dict[str, list[CaseFacts]] = field(default_factory=dict)

    @property
    def written(self) -> list[Written]:
        """All facts of all cases."""
        return [fact for cases in self.cases.values() for case in cases for fact in case.written]

    def words(self, office: str) -> set[str]:
        """What an answer must not hold for who is of another office."""
        found = {EXECUTOR_OF[office]}
        for case in self.cases[office]:
            found |= {str(case.case_id), case.number}
        return found


@pytest.fixture
async def world(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[World]:
    async with department(broker.bootstrap, database, tmp_path) as office:
        office.staff.member("manager", MANAGEMENT)
        found = World(office)
        office.staff.member("medeu-executor", EXECUTOR, office="medeu")
        for name in EXECUTOR_OF:
            found.cases[name] = [await of_all_stages(office, name, count) for count in range(1, 8)]
        yield found


async def of_all_stages(office: Office, name: str, count: int) -> CaseFacts:
    """A case after so many steps; the sixth is over, the seventh cannot be folded further."""
    case = await office.case(name)
    case.clock = now() - timedelta(days=2)
    executor = EXECUTOR_OF[name]
    for step in (
        case.lodged, case.registered, lambda: case.assigned(executor), case.drafted, case.signed,
        case.issued,
    )[:count]:  # fmt: skip
        step()
    if count == 6:
        case.notice_sent()
    if count == 7:
        case.written[1:] = [case.written[1].but(value=b"{}")]
    return case


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            yield method.upper(), path


async def test_every_route_is_in_the_table(world: World) -> None:
    served_ones = {(method, path) for method, path in routes(make_app(world.office.settings))}
    named = {
        (way.method, "/queues/{queue}" if "/queues/" in way.path else way.path) for way in WAYS
    }
    assert {each for each in served_ones if each[1] not in OPEN_TO_ALL} == named


async def test_each_role_reads_its_own_office_and_nothing_else(world: World) -> None:
    office = world.office
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *world.written)
        await office.side.eventually("SELECT count(*) = 0 FROM names WHERE words IS NULL")
        for way in WAYS:
            if way.path == "/feed":
                continue
            for role, staff in STAFF.items():
                await judge(world, client, way, role, token(staff, "almaly", role))
            for header in ({}, {"Authorization": "Bearer nonsense"}):
                assert (await ask(client, way, header, own(world))).status_code == 401, way


async def judge(
    world: World, client: httpx.AsyncClient, way: Way, role: Role, header: dict[str, str]
) -> None:
    answer = await ask(client, way, header, own(world))
    if role not in way.roles:
        assert (answer.status_code, answer.json()["because"]) == (403, "actor"), (way, role)
        told = answer.text
    else:
        assert answer.status_code == 200, (way, role, answer.text)
        told = answer.text
        if way.fills:
            assert any(str(case.case_id) in told for case in world.cases["almaly"]), (way, role)
    foreign = world.cases["medeu"][5]
    about_foreign = await ask(client, way, header, foreign)
    if role is OPERATOR:
        return
    if role in way.roles:
        assert about_foreign.status_code == (404 if way.of_one_case else 200), (way, role)
    # Who keeps the staff directory sees the staff of all offices, and no case.
    known = {EXECUTOR_OF["medeu"]} if role is Role.ADMINISTRATOR else set()
    for word in world.words("medeu") - known:
        assert word not in told, (way, role)
        assert word not in about_foreign.text, (way, role)


async def ask(
    client: httpx.AsyncClient, way: Way, header: dict[str, str], case: CaseFacts
) -> httpx.Response:
    named = {"case_id": case.case_id, "number": case.number, "applicant": case.applicant}
    path = way.path.format(**named)
    body = None
    if way.body is not None:
        body = {name: value.format(**named) for name, value in way.body.items()}
    query = way.query.format(**named)
    return await client.request(way.method, f"{path}?{query}", headers=header, json=body)


def own(world: World) -> CaseFacts:
    return world.cases["almaly"][5]


async def test_an_operator_sees_all_offices_and_opens_nothing(world: World) -> None:
    office = world.office
    header = token("timur", "almaly", OPERATOR)
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *world.written)
        for way in WAYS:
            if way.path == "/feed" or OPERATOR not in way.roles or not way.fills:
                continue
            answer = await ask(client, way, header, world.cases["medeu"][5])
            assert answer.status_code == 200, way
            assert world.words("medeu") & set(answer.text.split('"')), way
            assert "Canary" not in answer.text, way


async def test_the_feed_tells_each_role_of_its_office_only(world: World) -> None:
    office = world.office
    async with served(office.settings) as client:
        await office.tell(*office.staff.written)
        for role, staff in STAFF.items():
            mine, foreign = await office.case(), await office.case("medeu")
            header = token(staff, "almaly", role)
            if role not in READERS:
                assert (await client.get("/feed", headers=header)).status_code == 403
                continue
            async with listening(client, header) as stream:
                assert (await following(stream))["event"] == "connected"
                await office.tell(foreign.lodged(), mine.lodged())
                told = json.loads((await following(stream))["data"])["changes"]
                if role is OPERATOR and len(told) == 1:
                    told += json.loads((await following(stream))["data"])["changes"]
            heard = {each["case_id"] for each in told}
            assert str(mine.case_id) in heard
            assert (str(foreign.case_id) in heard) == (role is OPERATOR)
        assert (await client.get("/feed")).status_code == 401
