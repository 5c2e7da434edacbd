"""Asking for a regulation: by edition, by what takes applications now, and for one long gone."""

import hashlib
import shutil
from pathlib import Path

import pytest

from shared.procedures.catalogue import (
    DEFAULT_EDITIONS,
    DEFINITIONS,
    Catalogue,
    DeletedProcedure,
    NotInForce,
    UnknownProcedure,
    load_catalogue,
)
from shared.procedures.reading import BrokenProcedure


def test_three_regulations_take_applications_by_default(catalogue: Catalogue) -> None:
    for procedure, edition in DEFAULT_EDITIONS.items():
        assert catalogue.in_force(procedure).edition == edition
    assert len(DEFAULT_EDITIONS) == len(catalogue.procedures) == 3


def test_the_caller_says_what_takes_applications(catalogue: Catalogue) -> None:
    chosen = {"home-education": "2016-08-25"}
    assert catalogue.in_force("home-education", chosen).id == "home-education"
    with pytest.raises(NotInForce, match="employment-referral"):
        catalogue.in_force("employment-referral", chosen)
    with pytest.raises(UnknownProcedure, match="expected one of 2016-08-25"):
        catalogue.in_force("home-education", {"home-education": "2030-01-01"})


def test_the_deleted_regulation_is_answered_as_deleted(catalogue: Catalogue) -> None:
    with pytest.raises(DeletedProcedure) as caught:
        catalogue.in_force("unemployed-certificate")
    assert caught.value.clause == "R1 note"
    assert "158-2561 of 12.12.2017" in str(caught.value)
    assert "the date is unknown" in str(caught.value)
    assert "There is no regulation" in str(caught.value)
    with pytest.raises(DeletedProcedure):
        catalogue.procedure("unemployed-certificate", "2015-11-24")
    with pytest.raises(DeletedProcedure):
        catalogue.outside("unemployed-certificate", "2015-11-24")


def test_the_deleted_regulation_has_a_title_and_no_text(catalogue: Catalogue) -> None:
    deleted = catalogue.deleted("unemployed-certificate")
    assert deleted.regulation == "R1"
    assert deleted.title.kk == "Жұмыссыз азаматтарға анықтама беру"
    assert deleted.title.ru == "Выдача справок безработным гражданам"
    assert deleted.text_known is False
    assert [act.effect.value for act in deleted.acts] == ["approved", "deleted"]
    with pytest.raises(UnknownProcedure):
        catalogue.deleted("home-education")


def test_an_unknown_procedure_is_answered_with_the_known_ones(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownProcedure) as caught:
        catalogue.procedure("building-permit", "2016-08-25")
    assert str(caught.value) == (
        "procedure 'building-permit', edition 2016-08-25: "
        "expected one of employment-referral, home-education, prosthetic-aid"
    )
    with pytest.raises(UnknownProcedure):
        catalogue.in_force("building-permit")
    with pytest.raises(UnknownProcedure):
        catalogue.outside("building-permit", "2016-08-25")


def test_a_digest_is_that_of_the_files_bytes(catalogue: Catalogue) -> None:
    for (name, edition), procedure in catalogue.procedures.items():
        path = DEFINITIONS / name / f"{edition}.yaml"
        assert procedure.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert catalogue.outside("home-education", "2016-08-25").digest != (
        catalogue.procedure("home-education", "2016-08-25").digest
    )


def test_every_definition_here_is_released(catalogue: Catalogue) -> None:
    assert catalogue.released == frozenset(catalogue.procedures)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "definitions"
    shutil.copytree(DEFINITIONS, folder)
    return folder


def test_an_edited_released_file_stops_the_start(copy: Path) -> None:
    file = copy / "home-education" / "2016-08-25.yaml"
    file.write_bytes(file.read_bytes() + b"# one more remark\n")
    with pytest.raises(BrokenProcedure, match="a change is a new edition") as caught:
        load_catalogue(copy)
    assert caught.value.file == "home-education/2016-08-25.yaml"


def test_a_released_file_cannot_vanish(copy: Path) -> None:
    (copy / "unemployed-certificate" / "deleted.yaml").unlink()
    with pytest.raises(BrokenProcedure, match="found no file"):
        load_catalogue(copy)


def test_the_file_beside_may_be_corrected(copy: Path) -> None:
    file = copy / "home-education" / "2016-08-25.outside.yaml"
    file.write_bytes(file.read_bytes() + b"# one more remark\n")
    before, after = load_catalogue(), load_catalogue(copy)
    key = ("home-education", "2016-08-25")
    assert after.procedures[key].digest == before.procedures[key].digest
    assert after.outsides[key].digest != before.outsides[key].digest


def test_a_new_edition_is_a_new_file(copy: Path) -> None:
    folder = copy / "home-education"
    for suffix in ("yaml", "outside.yaml"):
        text = (folder / f"2016-08-25.{suffix}").read_text(encoding="utf-8")
        text = text.replace("edition: 2016-08-25", "edition: 2030-01-01")
        (folder / f"2030-01-01.{suffix}").write_text(text, encoding="utf-8")
    catalogue = load_catalogue(copy)
    assert catalogue.editions("home-education") == ("2016-08-25", "2030-01-01")
    assert catalogue.in_force("home-education").edition == "2016-08-25"
    assert ("home-education", "2030-01-01") not in catalogue.released
