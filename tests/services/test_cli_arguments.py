"""The command line without a system: arguments, files of applications, moments, settings."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.casebook.cli import hoisted, status_of
from services.casebook.cli.applications import lines_of
from services.casebook.cli.demo.people import STAFF, applicants
from services.casebook.cli.exits import Failure, Status, described
from services.casebook.cli.naming import moment_of
from services.casebook.cli.office import span_of
from services.casebook.cli.settings import ClientSettings
from shared.clock import now
from shared.iin import check_iin

PERSON = {"iin": "880101300017", "surname": "Canary", "given_name": "Person"}
APPLICATION = {"procedure": "home-education", "applicant": PERSON}
ARRAY, LINES, TABLE = Path("a.json"), Path("a.jsonl"), Path("a.csv")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["status", "-o", "json"], ["-o", "json", "status"]),
        (["log", "verify", "--output=jsonl", "-q"], ["--output=jsonl", "-q", "log", "verify"]),
        (["case", "show", "X", "--time", "utc"], ["--time", "utc", "case", "show", "X"]),
        (["submit", "--", "-q"], ["submit", "--", "-q"]),
        (["status", "-o"], ["-o", "status"]),
    ],
)
def test_global_options_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        ["nonsense"],
        ["status", "-o", "yaml"],
        ["parked", "retry", "X"],
        ["case", "show"],
        ["case", "list", "--first-day", "yesterday"],
        ["case", "list", "--at", "2026-11-20", "--overdue"],
        ["case", "list", "--at", "2026-11-20", "--by", "name"],
        ["queue", "to-draft", "--at", "2026-11-20", "--position", "0:1"],
        ["case", "list", "--by", "880101300017"],
        ["office", "results", "--outcome", "lost"],
        ["queue", "to-forget"],
    ],
)
def test_wrong_usage_ends_with_2(given: list[str]) -> None:
    assert status_of(given) == Status.USAGE


def test_without_a_system_it_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QYZMET_FOLDER", str(tmp_path))
    assert status_of(["status"]) == Status.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "make run" in said.err


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7_500, "2 h 5 min"), (266_400, "3 d 2 h")],
)
def test_a_span_is_shown_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert span_of(seconds) == shown


def test_the_regulations_need_no_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["procedures", "list", "-o", "json"]) == Status.OK
    rows = json.loads(capsys.readouterr().out)
    assert {row["standing"] for row in rows} == {"takes-applications", "deleted"}
    assert status_of(["procedures", "check"]) == Status.OK
    assert status_of(["procedures", "show", "home-education"]) == Status.OK
    assert "R3 5.2" in capsys.readouterr().out
    assert status_of(["procedures", "show", "unemployed-certificate"]) == Status.FAILED
    assert status_of(["procedures", "show", "nothing"]) == Status.USAGE


def test_a_broken_definition_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "home-education").mkdir()
    (tmp_path / "home-education" / "2020-01-01.yaml").write_text("procedure: [", "utf-8")
    assert status_of(["procedures", "check", str(tmp_path), "-q"]) == Status.DIFFERENCES


def test_the_environment_wins_over_the_file_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "QYZMET_INTAKE_URL=http://a\nQYZMET_KAFKA=k:1\nQYZMET_AUTOMATION={}\n"
    (tmp_path / "qyzmet.env").write_text(text, "utf-8")
    monkeypatch.setenv("QYZMET_FOLDER", str(tmp_path))
    monkeypatch.setenv("QYZMET_KAFKA", "other:2")
    settings = ClientSettings()
    assert (settings.url("intake"), settings.bootstrap) == ("http://a", "other:2")
    with pytest.raises(Failure, match="QYZMET_CASEBOOK_URL"):
        settings.url("casebook")


def test_an_array_lines_and_a_table_say_the_same() -> None:
    array = lines_of(ARRAY, json.dumps([APPLICATION]))
    lines = lines_of(LINES, json.dumps(APPLICATION) + "\n\n")
    assert array[0].application == lines[0].application == APPLICATION
    assert array[0].key == lines[0].key
    text = "procedure;iin;surname;given_name\nhome-education;880101300017;Canary;Person\n"
    table = lines_of(TABLE, text)[0]
    assert table.application == {**APPLICATION, "documents": []}
    assert table.number == 2


def test_a_table_has_papers_a_form_and_flags() -> None:
    text = (
        "\ufeffprocedure,iin,documents,missing,synthetic,form.child-iin\n"
        "home-education,1,application passport,bank-account,yes,2\n"
    )
    found = lines_of(TABLE, text)[0].application
    assert found == {
        "procedure": "home-education",
        "synthetic": True,
        "applicant": {"iin": "1", "form": {"child-iin": "2"}},
        "documents": [
            {"kind": "application", "state": "provided"},
            {"kind": "passport", "state": "provided"},
            {"kind": "bank-account", "state": "missing"},
        ],
    }


def test_a_bad_line_does_not_stop_the_others_and_is_not_quoted() -> None:
    text = '{"procedure": "x"}\n{Canary\n["Canary"]\n'
    found = lines_of(LINES, text)
    assert [line.fault is None for line in found] == [True, False, False]
    assert all("Canary" not in (line.fault or "") for line in found)


@pytest.mark.parametrize(
    ("path", "text"),
    [(ARRAY, "[{]"), (TABLE, "Canary,procedure\n"), (TABLE, "iin\n1\n"), (LINES, "Canary\n")],
)
def test_a_file_that_is_none_is_a_matter_of_usage(path: Path, text: str) -> None:
    with pytest.raises(Failure) as failed:
        lines_of(path, text)
    assert failed.value.status is Status.USAGE
    assert "Canary" not in str(failed.value)


def test_keys_are_of_the_content_so_that_a_corrected_file_repeats_nothing() -> None:
    other = {**APPLICATION, "procedure": "prosthetic-aid"}
    before = lines_of(ARRAY, json.dumps([APPLICATION, APPLICATION, other]))
    after = lines_of(ARRAY, json.dumps([other, APPLICATION, APPLICATION]))
    assert len({line.key for line in before}) == 3
    assert {line.key for line in before} == {line.key for line in after}
    assert lines_of(ARRAY, json.dumps([other]), "again")[0].key != after[0].key


def test_a_moment_or_an_age() -> None:
    assert moment_of("2026-11-20T09:00+05:00") == datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert moment_of("2026-11-20T09:00") == datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert abs(now() - moment_of("2h") - timedelta(hours=2)) < timedelta(minutes=1)
    with pytest.raises(Failure):
        moment_of("yesterday")


def test_a_refusal_is_told_with_rule_expectation_and_clause() -> None:
    told = {
        "rule": "a rule",
        "expected": "this",
        "found": "that",
        "clause": "R3 5.2",
        "status": 409,
    }
    assert described("routing", told, 409).splitlines() == [
        "routing said no (409): a rule",
        "  expected  this",
        "  found     that",
        "  clause    R3 5.2",
    ]


def test_the_demo_has_other_people_for_each_seed_all_of_them_well_formed() -> None:
    people = applicants(1, 30)
    assert people == applicants(1, 30)
    numbers = {str(person["iin"]) for person in people}
    assert len(numbers) == 30
    assert not numbers & {str(person["iin"]) for person in applicants(2, 30)}
    for number in numbers:
        check_iin(number, now().date())
    assert all("synthetic" in member.name for member in STAFF)
