"""What `qyzmet procedures list` and `check` show."""

import shutil
from pathlib import Path

from shared.procedures.catalogue import DEFINITIONS, Catalogue
from shared.procedures.overview import Gravity, Standing, check, list_rows


def test_the_list_holds_all_four_regulations_in_order(catalogue: Catalogue) -> None:
    rows = list_rows(catalogue)
    assert [(row.regulation, row.procedure, row.standing) for row in rows] == [
        ("R1", "unemployed-certificate", Standing.DELETED),
        ("R2", "prosthetic-aid", Standing.TAKES_APPLICATIONS),
        ("R3", "home-education", Standing.TAKES_APPLICATIONS),
        ("R4", "employment-referral", Standing.TAKES_APPLICATIONS),
    ]
    assert [row.whole_term for row in rows] == [
        "",
        "10 working days",
        "9 working days",
        "30 minutes",
    ]
    assert [row.results for row in rows] == [0, 1, 1, 6]


def test_the_list_speaks_the_readers_language(catalogue: Catalogue) -> None:
    titles = [row.title for row in list_rows(catalogue, language="kk")]
    assert "Мүгедек балаларды үйде оқытуға жұмсалған шығындарды өтеу" in titles


def test_an_edition_that_takes_nothing_is_only_known(catalogue: Catalogue) -> None:
    rows = {row.regulation: row for row in list_rows(catalogue, editions={})}
    assert rows["R2"].standing is Standing.KNOWN


def test_nothing_is_wrong_with_the_released_definitions() -> None:
    assert check() == []


def test_everything_wrong_is_found_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "definitions"
    shutil.copytree(DEFINITIONS, folder)
    for file, old, new in (
        ("home-education/2016-08-25.yaml", "{working-days: 6}", "{working-days: six}"),
        ("prosthetic-aid/2016-08-25.yaml", "clause: R2 5.4", "clause: somewhere"),
        ("unemployed-certificate/deleted.yaml", "text-known: no", "text-known: yes"),
    ):
        path = folder / file
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    findings = check(folder)
    said = [str(finding) for finding in findings]
    assert all(finding.gravity is Gravity.BROKEN for finding in findings)
    assert sum("a change is a new edition" in text for text in said) == 3
    assert any("step 'draft', time limit" in text for text in said)
    assert any("step 'sign', clause" in text for text in said)
    assert any("text known" in text for text in said)


def test_a_draft_is_noticed_and_breaks_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "definitions"
    shutil.copytree(DEFINITIONS, folder, ignore=shutil.ignore_patterns("released.sha256"))
    findings = check(folder)
    assert {finding.gravity for finding in findings} == {Gravity.NOTICE}
    assert len(findings) == 3
