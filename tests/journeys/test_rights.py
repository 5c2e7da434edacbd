"""Who may do what: a wrong answer here would be somebody else's case in the wrong hands."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.clock import now
from tests.journeys.office import Office, application


@pytest.fixture
def silent(office: Office) -> Iterator[None]:
    """What happens inside tells no event."""
    before = _journals(office)
    yield
    assert _journals(office) == before


def _journals(office: Office) -> list[str]:
    stages = ("intake", "routing", "executor", "signing", "notify")
    return [office.query(f"SELECT count(*) FROM {stage}.journal") for stage in stages]


@pytest.mark.usefixtures("silent")
def test_without_a_good_token_nobody_does_anything(office: Office) -> None:
    def post(token: str | None) -> int:
        key, body = str(uuid.uuid4()), application("home-education")
        answer = office.ask("intake", "POST", "/applications", None, body, key=key, token=token)
        return answer.status_code

    good = office.token("saule")
    head, claims, signature = good.split(".")
    assert post(None) == 401
    assert post("nonsense") == 401
    assert post(f"{head}.{claims}.{signature[:-6]}AAAAAA") == 401
    assert post(f"{head}.{claims}.") == 401


@pytest.mark.usefixtures("silent")
def test_a_wrong_role_is_turned_away(office: Office) -> None:
    body = application("home-education")
    for person in ("head", "aigul", "timur"):
        key = str(uuid.uuid4())
        answer = office.ask("intake", "POST", "/applications", person, body, key=key)
        assert answer.status_code == 403, person


@pytest.mark.usefixtures("silent")
def test_a_token_with_a_role_that_the_directory_does_not_know_is_turned_away(
    office: Office,
) -> None:
    token = office.token("aigul", ["office-specialist"])
    body, key = application("home-education"), str(uuid.uuid4())
    answer = office.ask("intake", "POST", "/applications", None, body, key=key, token=token)
    assert answer.status_code == 403
    assert answer.json()["because"] == "actor"


def test_another_office_has_no_say_in_a_case(office: Office, other_office: Office) -> None:
    lodged = office.lodge("home-education")
    case = lodged["case_id"]
    registered = office.ok("intake", "PUT", f"/cases/{case}/registration", "saule")
    before = _journals(office)
    choice = {"executor": other_office.staff("aigul")}
    answer = other_office.ask(
        "routing", "PUT", f"/cases/{case}/executor", "head", choice, least=registered["position"]
    )
    assert answer.status_code == 403
    assert _journals(office) == before


def test_an_absent_head_does_not_sign_in_and_assign(office: Office, other_office: Office) -> None:
    lodged = other_office.lodge("home-education")
    case = lodged["case_id"]
    registered = other_office.ok("intake", "PUT", f"/cases/{case}/registration", "saule")
    today = now().date()
    first, last = today - timedelta(2), today + timedelta(2)
    absence = {"first_day": str(first), "last_day": str(last), "reason": "leave"}
    head = other_office.staff("head")
    other_office.ok("routing", "POST", f"/staff/{head}/absences", "admin", absence)
    choice = {"executor": other_office.staff("bolat")}
    answer = other_office.ask(
        "routing", "PUT", f"/cases/{case}/executor", "head", choice, least=registered["position"]
    )
    assert answer.status_code == 403
    acting = {
        "role": "head",
        "office": other_office.name,
        "staff": other_office.staff("deputy"),
        "first_day": str(first),
        "last_day": str(last),
    }
    other_office.ok("routing", "POST", "/acting", "admin", acting)
    token = other_office.token("deputy", ["head"])
    other_office.ok("routing", "PUT", f"/cases/{case}/executor", None, choice, token=token)


def test_two_heads_assign_at_once_and_one_is_told_who_was_first(office: Office) -> None:
    lodged = office.lodge("home-education")
    case = lodged["case_id"]
    registered = office.ok("intake", "PUT", f"/cases/{case}/registration", "saule")
    office.ok(
        "routing",
        "PUT",
        f"/cases/{case}/executor",
        "head",
        {"executor": office.staff("aigul")},
        least=registered["position"],
    )
    late = office.ask(
        "routing", "PUT", f"/cases/{case}/executor", "head", {"executor": office.staff("bolat")}
    )
    assert late.status_code == 409
    assert office.staff("aigul") in late.json()["found"]
