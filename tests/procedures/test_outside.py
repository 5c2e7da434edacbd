"""The files beside the law: other laws, other pages, assumptions, each said to be what it is."""

from datetime import time

import pytest

from shared.procedures import kinds
from shared.procedures.catalogue import Catalogue
from shared.procedures.outside import (
    FormField,
    GroundForRefusal,
    Outside,
    Place,
    ReadingKind,
    RuleKind,
    TermKind,
)


@pytest.fixture(scope="session")
def home(catalogue: Catalogue) -> Outside:
    return catalogue.outside("home-education", "2016-08-25")


def test_the_five_grounds_of_the_law_on_state_services(catalogue: Catalogue) -> None:
    for outside in catalogue.outsides.values():
        assert [ground.ground for ground in outside.grounds] == list(GroundForRefusal)
        assert [ground.clause for ground in outside.grounds] == [
            f"LSS 19-1.{place}" for place in range(1, 6)
        ]
        assert all(ground.confidence is kinds.Confidence.A for ground in outside.grounds)
        assert outside.ground(GroundForRefusal.COURT_BAN).source == "L1"


def test_an_incomplete_package_is_not_a_refusal_of_the_service(catalogue: Catalogue) -> None:
    for outside in catalogue.outsides.values():
        rules = {rule.rule: rule for rule in outside.rules}
        assert rules[RuleKind.INCOMPLETE_PACKAGE_NOT_ACCEPTED].clause == "LSS 20.2"


def test_the_standards_were_not_found(catalogue: Catalogue) -> None:
    for outside in catalogue.outsides.values():
        missing = {item.what.value for item in outside.not_found}
        assert {"standard-text", "document-list", "standard-grounds"} <= missing


def test_the_papers_of_home_education(home: Outside) -> None:
    then = {
        item.kind.value: item.confidence.value
        for item in home.documents
        if item.period == "2015-2020" and item.need is kinds.Need.REQUIRED
    }
    assert then == {
        "identity-document": "B",
        "residence-registration": "B",
        "pmpk-conclusion": "C",
        "disability-certificate": "C",
        "school-certificate": "C",
        "bank-account": "C",
    }
    now = [item.kind.value for item in home.documents if item.period == "current"]
    assert "medical-statement" in now


def test_the_papers_of_prosthetic_aid_are_assumed(catalogue: Catalogue) -> None:
    outside = catalogue.outside("prosthetic-aid", "2016-08-25")
    then = [item for item in outside.documents if item.period == "2015-2020"]
    assert then
    assert all(item.confidence is kinds.Confidence.D for item in then)


def test_one_field_of_the_form_is_known(home: Outside) -> None:
    known = [item.field for item in home.form_fields if item.confidence is kinds.Confidence.B]
    assert known == [FormField.BANK_ACCOUNT]


def test_terms_outside_the_resolution(home: Outside) -> None:
    whole = [
        (item.within.amount, item.period, item.confidence.value)
        for item in home.terms
        if item.term is TermKind.WHOLE_TERM
    ]
    assert whole == [(10, "2015-2020", "D"), (8, "current", "C")]


def test_hours_are_an_assumption(home: Outside) -> None:
    hours = {item.place: item for item in home.hours}
    assert hours[Place.PROVIDER].closes == time(18, 30)
    assert hours[Place.PROVIDER_ACCEPTANCE].closes == time(17, 30)
    assert hours[Place.STATE_CORPORATION].days == "monday-saturday"
    assert hours[Place.PORTAL].opens is None
    assert all(item.confidence is kinds.Confidence.D for item in home.hours)


def test_the_readings_of_open_places_are_written_down(home: Outside) -> None:
    readings = {item.reading: item for item in home.readings}
    assert readings[ReadingKind.POWER_OF_ATTORNEY_LOOK_UP].clause == "R3 9.5"
    assert readings[ReadingKind.LEGAL_ENTITIES_LOOK_UP].clause == "R3 9.4"
    assert all(item.source == "decision" for item in home.readings)


def test_every_text_for_people_is_in_three_languages(catalogue: Catalogue) -> None:
    for outside in catalogue.outsides.values():
        texts = [item.text for item in outside.documents]
        texts += [item.text for item in outside.form_fields]
        texts += [item.text for item in outside.grounds]
        texts += [item.text for item in outside.rules]
        assert all(len({text.kk, text.ru, text.en}) == 3 for text in texts)
