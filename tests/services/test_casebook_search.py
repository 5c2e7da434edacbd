"""Looking for cases: by number, person, name and all that together; and what an erasure leaves."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.broker import LocalBroker
from services.casebook import naming, searching
from shared.clock import DEPARTMENT_ZONE
from shared.errors import Refused
from shared.events.intake import Applicant
from shared.identifiers import Role
from tests.casebook_process import CasebookProcess
from tests.department import Office, department
from tests.facts import IIN, CaseFacts
from tests.readside import WAIT_S, served, token

CLERK = token("aigul", "almaly", Role.OFFICE_SPECIALIST)
STRANGER = token("saule", "medeu", Role.OFFICE_SPECIALIST)
OPERATOR = token("timur", "almaly", Role.OPERATOR)
OTHER_IIN = "900202400025"
KEY = b"k" * 32


@pytest.fixture
async def office(broker: LocalBroker, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with department(broker.bootstrap, database, tmp_path) as found:
        yield found


def person(surname: str, given_name: str, patronymic: str | None = None) -> Applicant:
    return Applicant(iin=IIN, surname=surname, given_name=given_name, patronymic=patronymic)


async def search(client: httpx.AsyncClient, who: dict[str, str], **question: object) -> list[str]:
    found = await client.post("/cases/search", headers=who, json=question)
    assert found.status_code == 200, found.text
    return [each["case_id"] for each in found.json()["cases"]]


async def all_named(client: httpx.AsyncClient) -> None:
    """Wait until every case can be found by name."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = await client.post("/cases/search", headers=CLERK, json={"name": "nobody here"})
        assert found.status_code == 200, found.text
        if found.json()["not_yet_by_name"] == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("names are not read")


# ---- how a name is folded, without anything else -------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("АХМЕТОВ", "Ахметов"),
        ("Семенов", "Семёнов"),
        ("Нурлибек", "Нұрлібек"),
        ("Калиев", "Қалиев"),
        ("Омиргали", "Өміргәли"),
        ("Гулнар", "Гүлнәр"),
        ("Шахмардан", "Шаһмардан"),
        ("Шаhмардан", "Шаһмардан"),
        ("Cepгeй", "Сергей"),
        ("Cay", "Сау"),
        ("Ахметов", "Axмeтoв"),
        ("muller", "Müller"),
        ("Семенов", "Семе\u0308нов"),
        ("ахм  аль", "Альжан Ахметов"),
        ("водкина", "Петрова-Водкина"),
        ("коннор", "О'Коннор"),
    ],
)
def test_one_name_in_many_spellings_is_found(typed: str, written: str) -> None:
    kept = set(naming.beginnings(KEY, "almaly", [written]))
    assert set(naming.sought(KEY, "almaly", typed)) <= kept


@pytest.mark.parametrize(
    ("typed", "written"),
    [("метов", "Ахметов"), ("Ахметова", "Ахметов"), ("Ахм Бол", "Ахметов"), ("Иванов", "Ivanov")],
)
def test_another_name_is_not(typed: str, written: str) -> None:
    kept = set(naming.beginnings(KEY, "almaly", [written]))
    assert not set(naming.sought(KEY, "almaly", typed)) <= kept


def test_what_is_kept_differs_by_office_and_key() -> None:
    kept = set(naming.beginnings(KEY, "almaly", ["Ахметов"]))
    assert kept.isdisjoint(naming.beginnings(KEY, "medeu", ["Ахметов"]))
    assert kept.isdisjoint(naming.beginnings(b"q" * 32, "almaly", ["Ахметов"]))


@pytest.mark.parametrize(
    "name", ["", "  ", "А", "1234", "- . '", " ".join(f"сло{c}" for c in "абвгдежзи")]
)
def test_a_question_without_words_or_with_too_many_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="a name is sought by its words"):
        naming.sought(KEY, "almaly", name)


def test_pages_where_a_surname_belongs_are_not_all_read() -> None:
    pages = "Ахметов " * 2_500 + "Сапаров"
    assert naming.beginnings(KEY, "almaly", [pages]) == naming.beginnings(
        KEY, "almaly", ["Ахметов"]
    )
    many = " ".join(f"сл{chr(0x430 + n % 32)}{chr(0x430 + n // 32)}" for n in range(600))
    assert len(naming.beginnings(KEY, "almaly", [many])) < 200


@given(st.text(max_size=60))
def test_whatever_a_name_is_its_own_words_find_it(name: str) -> None:
    words = naming.words_of(name)
    kept = naming.beginnings(KEY, "almaly", [name])
    assert len(kept) <= 15 * max(1, len(words))
    if 0 < len(set(words)) <= naming.WORDS_MAX:
        assert set(naming.sought(KEY, "almaly", name)) <= set(kept)


# ---- asked over HTTP ----------------------------------------------------------------------------


async def test_a_case_is_found_by_its_numbers_however_they_are_typed(office: Office) -> None:
    case, foreign = await office.case(), await office.case("medeu")
    case.straight_through()
    foreign.straight_through()
    async with served(office.settings) as client:
        await office.tell(*case.written, *foreign.written)
        mine = [str(case.case_id)]
        result = f"{case.number}/1"
        typed = f" {case.number.lower()} ".replace("h", "Н").replace("e", "е")
        for number in (case.number, result, typed):
            assert await search(client, CLERK, number=number) == mine, number
            assert await search(client, STRANGER, number=number) == []
        assert await search(client, CLERK, number=f"{case.number}/2") == []
        found = await client.get("/cases", headers=CLERK, params={"number": result})
        assert [each["case_id"] for each in found.json()["cases"]] == mine
        wrong = await client.post("/cases/search", headers=CLERK, json={"number": "12"})
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["field"] == "body.number"


async def test_a_person_is_found_by_iin_and_it_stands_in_no_answer(office: Office) -> None:
    mine, foreign, other = (
        await office.case(), await office.case("medeu"), await office.case(iin=OTHER_IIN),
    )  # fmt: skip
    for case in (mine, foreign, other):
        case.lodged()
    async with served(office.settings) as client:
        await office.tell(*mine.written, *foreign.written, *other.written)
        assert await search(client, CLERK, iin=IIN) == [str(mine.case_id)]
        assert await search(client, STRANGER, iin=IIN) == [str(foreign.case_id)]
        assert len(await search(client, OPERATOR, iin=IIN)) == 2
        assert await search(client, CLERK, iin="000000000000") == []
        assert await search(client, CLERK, iin=IIN, applicant=str(other.applicant)) == []
        assert await search(client, CLERK, iin=IIN, applicant=str(mine.applicant)) == [
            str(mine.case_id)
        ]
        for wrong in ({"iin": "88010130001"}, {"iin": IIN, "surname": "Canary"}):
            refused = await client.post("/cases/search", headers=CLERK, json=wrong)
            assert refused.status_code == 422
            assert "88010130001" not in refused.text
            assert "Canary" not in refused.text


async def test_a_name_is_found_by_staff_of_the_office_only(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahmetov, ahmetova, foreign = (
        await office.case(), await office.case(iin=OTHER_IIN), await office.case("medeu"),
    )  # fmt: skip
    ahmetov.lodged(person("Ахметов", "Ерлан", "Қайратұлы"))
    ahmetova.lodged(person("Ахметова", "Әсел"))
    foreign.lodged(person("Ахметов", "Ерлан"))
    async with served(office.settings) as client:
        await office.tell(
            *office.staff.written, *ahmetov.written, *ahmetova.written, *foreign.written
        )
        await all_named(client)
        one, both = str(ahmetov.case_id), {str(ahmetov.case_id), str(ahmetova.case_id)}
        assert set(await search(client, CLERK, name="ахмет")) == both
        assert await search(client, CLERK, name="AXMETOB еpл") == [one]
        assert await search(client, CLERK, name="кайрат") == [one]
        assert await search(client, CLERK, name="асел") == [str(ahmetova.case_id)]
        assert await search(client, CLERK, name="Ерлан", state="issued") == []
        assert await search(client, CLERK, name="Ерлан", iin=IIN) == [one]
        assert await search(client, CLERK, name="Ерлан", office="medeu") == []
        assert await search(client, STRANGER, name="Ерлан") == [str(foreign.case_id)]
        for who in (OPERATOR, token("unknown", "almaly", Role.HEAD)):
            refused = await client.post("/cases/search", headers=who, json={"name": "Ахметов"})
            assert (refused.status_code, refused.json()["because"]) == (403, "actor")
        refused = await client.post("/cases/search", headers=CLERK, json={"name": "А"})
        assert (refused.status_code, refused.json()["field"]) == (422, "name")
        monkeypatch.setattr(searching, "HITS_MAX", 1)
        refused = await client.post("/cases/search", headers=CLERK, json={"name": "ахмет"})
        assert (refused.status_code, refused.json()["field"]) == (422, "name")
        assert await search(client, CLERK, name="ахметова") == [str(ahmetova.case_id)]
    kept = await office.side.pool.fetch("SELECT * FROM names")
    assert "хмет" not in str([tuple(row.values()) for row in kept])


async def named(office: Office) -> set[str]:
    rows = await office.side.pool.fetch("SELECT case_id FROM names")
    return {str(row["case_id"]) for row in rows}


async def test_an_erased_case_is_found_by_no_name_and_a_rebuild_does_not_bring_it_back(
    office: Office,
) -> None:
    gone, kept = await office.case(), await office.case(iin=OTHER_IIN)
    gone.lodged(person("Ахметов", "Ерлан"))
    gone.rejected()
    kept.lodged(person("Ахметова", "Әсел"))
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *gone.written, *kept.written)
        await all_named(client)
        assert len(await search(client, CLERK, name="ахмет")) == 2
        await office.tell(gone.erased())
        assert await search(client, CLERK, name="ахмет") == [str(kept.case_id)]
        assert await named(office) == {str(kept.case_id)}
    # The vault still has the key, as one restored from a backup would.
    assert gone.case_id in await office.vault.keys([gone.case_id])
    await rebuilt(office)
    async with served(office.settings) as client:
        await all_named(client)
        assert await search(client, CLERK, name="ахмет") == [str(kept.case_id)]
        assert await named(office) == {str(kept.case_id)}


async def rebuilt(office: Office) -> None:
    """Lose what was folded of this test's cases, and fold it again."""
    await office.side.drop()
    async with office.side.folding():
        await office.side.caught_up_to_the_end()


async def test_a_destroyed_key_takes_the_name_with_it_at_once(office: Office) -> None:
    searched, walked = await office.case(), await office.case(iin=OTHER_IIN)
    searched.lodged(person("Ахметов", "Ерлан"))
    walked.lodged(person("Сапаров", "Ерлан"))
    async with served(office.settings) as client:
        await office.tell(*office.staff.written, *searched.written, *walked.written)
        await all_named(client)
        await office.vault.erase([searched.case_id])
        assert await search(client, CLERK, name="ахмет") == []
        assert str(searched.case_id) not in await named(office)
        # Nobody asks for the other one; the walk through the table finds it.
        await office.vault.erase([walked.case_id])
        await office.side.eventually("SELECT count(*) = 0 FROM names")


async def test_while_the_vault_is_away_all_but_names_is_found(office: Office) -> None:
    case = await office.case()
    case.lodged(person("Ахметов", "Ерлан"))
    case.registered()
    async with served(office.settings) as client:
        await office.tell(*office.staff.written)
        pool = office.side.pool
        await pool.execute("ALTER TABLE public.case_keys RENAME TO away")
        await office.tell(*case.written)
        mine = [str(case.case_id)]
        assert await search(client, CLERK, number=case.number) == mine
        await asyncio.sleep(1.0)
        asked = await client.post("/cases/search", headers=CLERK, json={"state": "registered"})
        assert [each["case_id"] for each in asked.json()["cases"]] == mine
        await pool.execute("ALTER TABLE public.away RENAME TO case_keys")
        await all_named(client)
        assert await search(client, CLERK, name="Ахметов") == mine


async def test_all_filters_combine(office: Office) -> None:
    cases: dict[str, CaseFacts] = {}
    for name, days in (("old", 0), ("issued", 10), ("late", 20), ("foreign", 20)):
        case = await office.case("medeu" if name == "foreign" else "almaly")
        case.clock += timedelta(days=days)
        case.lodged()
        case.registered()
        cases[name] = case
    cases["issued"].assigned("bolat")
    for step in (cases["issued"].drafted, cases["issued"].signed, cases["issued"].issued):
        step()
    cases["late"].assigned("daniyar")
    name_of = {str(case.case_id): name for name, case in cases.items()}
    async with served(office.settings) as client:
        await office.tell(*(record for case in cases.values() for record in case.written))

        async def names(who: dict[str, str] = CLERK, **question: Any) -> list[str]:
            return [name_of[case_id] for case_id in await search(client, who, **question)]

        assert await names() == ["late", "issued", "old"]
        assert await names(OPERATOR) == ["foreign", "late", "issued", "old"]
        assert await names(OPERATOR, office="medeu") == ["foreign"]
        assert await names(office="medeu") == []
        assert await names(state="open") == ["late", "old"]
        assert await names(state="over") == ["issued"]
        assert await names(state="issued", executor="bolat") == ["issued"]
        assert await names(state="issued", executor="daniyar") == []
        assert await names(stage="routing") == ["old"]
        assert await names(stage="notify") == [], "of open cases only"
        assert await names(overdue=True) == ["late", "old"]
        assert await names(order="due") == ["old", "late"]
        assert await names(procedure="home-education", order="due") == ["old", "late"]
        assert await names(procedure="prosthetic-aid") == []
        day = cases["old"].clock + timedelta(days=10)
        of_day = str(day.astimezone(DEPARTMENT_ZONE).date())
        assert await names(first_day=of_day) == ["late", "issued"]
        assert await names(first_day=of_day, last_day=of_day) == ["issued"]
        for wrong in (
            {"procedure": "nothing"},
            {"first_day": "2026-03-02", "last_day": "2026-03-01"},
            {"last_day": "9999-12-31"},
            {"state": "lost"},
            {"order": "name"},
            {"stage": "casebook"},
        ):
            refused = await client.post("/cases/search", headers=CLERK, json=wrong)
            assert refused.status_code == 422, wrong
            assert refused.headers["content-type"] == "application/problem+json"


async def test_what_is_asked_of_a_person_stands_in_no_log_line(
    office: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    case = await office.case()
    case.lodged(person("Канареев", "Ерлан"))
    async with office.side.folding():
        await office.tell(*office.staff.written, *case.written)
    casebook = CasebookProcess(office.settings.model_copy(update={"log_level": "debug"}))
    casebook.start()
    try:
        await asyncio.to_thread(casebook.wait_ready)
        async with httpx.AsyncClient(base_url=casebook.base, timeout=10, trust_env=False) as client:
            await all_named(client)
            assert await search(client, CLERK, name="Канареев") == [str(case.case_id)]
            assert await search(client, CLERK, iin=IIN) == [str(case.case_id)]
            for wrong in ({"iin": f"{IIN}0"}, {"name": "Канареев", "Канареев": IIN}):
                refused = await client.post("/cases/search", headers=CLERK, json=wrong)
                assert refused.status_code == 422
                assert "Канареев" not in refused.text
    finally:
        casebook.kill()
    logged = "".join(capfd.readouterr())
    assert "ready" in logged, "the log was looked at"
    for word in (IIN, "Канареев", "канар", "Ерлан"):
        assert word not in logged
