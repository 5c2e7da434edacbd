"""A name is kept as the papers have it, letter by letter; that letters look alike is no fault."""

from uuid import uuid4

import pytest

from tests.journeys.office import Office, application

NAMES = {
    "a Latin letter in a Cyrillic name": "Cынақов",
    "a Latin i for the Kazakh one": "Әлiмов",
    "two alphabets": "Смирнов-Smith",
    "an accent of its own": "Сына\u0301қов",
    "an apostrophe": "д’Арк О'Нил",
    "one letter": "Ұ",
    "three lines of quotation marks": "\"';--",
    "markup": "<b>Сынақов</b>",
    "beyond the first plane": "𐰀𐰺 👩",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_kept_letter_by_letter(office: Office, name: str) -> None:
    body = application("home-education")
    body["applicant"]["surname"] = NAMES[name]
    lodged = office.ok("intake", "POST", "/applications", "saule", body, key=str(uuid4()))
    found = office.client.get(
        office.system.environment.url("casebook") + f"/cases/{lodged['case_id']}/timeline",
        params={"open": "true", "purpose": "case-work", "min_position": lodged["position"]},
        headers={"Authorization": f"Bearer {office.token('saule')}"},
    )
    assert found.json()["facts"][0]["opened"]["surname"] == NAMES[name]
