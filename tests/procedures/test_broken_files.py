"""A broken definition is refused in words that its author, a jurist, can act on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.procedures.catalogue import DEFINITIONS, load_catalogue
from shared.procedures.reading import BrokenProcedure

BROKEN = Path(__file__).parent / "broken"
HOME = "home-education/2016-08-25.yaml"
REFERRAL = "employment-referral/2017-12-12.yaml"
BESIDE = "home-education/2016-08-25.outside.yaml"

Edit = Callable[[str, str, str], str]


@pytest.fixture
def complaint(tmp_path: Path) -> Edit:
    """Changes a copy of a definition in one place and says how it is refused."""
    folder = tmp_path / "definitions"
    shutil.copytree(DEFINITIONS, folder, ignore=shutil.ignore_patterns("released.sha256"))

    def edit(file: str, old: str, new: str) -> str:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(BrokenProcedure) as caught:
            load_catalogue(folder)
        assert caught.value.file == file
        return str(caught.value)

    return edit


def line_of(file: str, words: str) -> int:
    lines = (DEFINITIONS / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if words in line)


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("repeated-entry.yaml", "line 4: 'procedure': expected each entry once; found it again"),
        ("too-deep.yaml", "line 7: steps, 0, action, kk: expected at most 3 levels; found 4"),
        ("pointer.yaml", "line 5: short-title: expected the text itself; found a pointer"),
        ("bad-indent.yaml", "line 2: the file: expected readable YAML"),
        ("no-entries.yaml", "line 1: the file: expected entries such as `procedure: ...`"),
        ("empty.yaml", "line 1: the file: expected entries such as `procedure: ...`"),
        ("only-a-name.yaml", "line 4: title, English text: expected this entry; found nothing"),
    ],
)
def test_a_broken_file_is_named_with_the_line(tmp_path: Path, file: str, complaint: str) -> None:
    folder = tmp_path / "home-education"
    folder.mkdir()
    shutil.copy(BROKEN / file, folder / file)
    with pytest.raises(BrokenProcedure) as caught:
        load_catalogue(tmp_path)
    assert f"home-education/{file}, {complaint}" in str(caught.value)


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "only-a-name"
    folder.mkdir()
    shutil.copy(BROKEN / "only-a-name.yaml", folder / "2026-01-01.yaml")
    with pytest.raises(BrokenProcedure) as caught:
        load_catalogue(tmp_path)
    missing = {fault.item for fault in caught.value.faults}
    assert {"steps", "units", "provider", "title, English text"} <= missing


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "home-education"
    folder.mkdir()
    (folder / "2016-08-25.yaml").write_bytes("procedure: үй".encode("utf-16"))
    with pytest.raises(BrokenProcedure, match="expected text in UTF-8"):
        load_catalogue(tmp_path)


def test_a_time_limit_in_words_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "within: {working-days: 6}", "within: six working days")
    line = line_of(HOME, "within: {working-days: 6}")
    assert said == (
        f"{HOME}, line {line}: step 'draft', time limit: expected one entry, minutes or "
        "working-days, with a whole number above 0; found 'six working days'"
    )


def test_a_time_limit_in_another_unit_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "within: {working-days: 6}", "within: {calendar-days: 6}")
    assert "step 'draft', time limit" in said
    assert said.endswith("found {calendar-days: 6}")


def test_no_time_at_all_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "within: {working-days: 6}", "within: {working-days: 0}")
    assert "a whole number above 0; found {working-days: 0}" in said


def test_a_sum_that_does_not_fit_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "within: {working-days: 6}", "within: {working-days: 7}")
    assert (
        "sum of steps: expected what the steps add up to, 15 minutes and 10 working-days; "
        "found 15 minutes and 9 working-days"
    ) in said


def test_a_missing_time_limit_is_refused(complaint: Edit) -> None:
    said = complaint(REFERRAL, "    within: {minutes: 5}\n", "")
    assert "step 'assign', time limit: expected this entry; found nothing" in said


def test_an_unknown_entry_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "free-of-charge:", "price:")
    assert "free of charge: expected this entry; found nothing" in said
    assert "price: expected no such entry" in said


def test_an_unknown_role_is_refused_with_the_known_ones(complaint: Edit) -> None:
    said = complaint(HOME, "actor: responsible-executor", "actor: deputy")
    assert "step 'draft', actor: expected one of" in said
    assert "'responsible-executor'" in said
    assert said.endswith("found 'deputy'")


def test_an_actor_who_is_no_unit_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "actor: responsible-executor", "actor: management")
    assert (
        "step 'draft', actor: expected one of the units (office-specialist, head, "
        "responsible-executor); found 'management'"
    ) in said


def test_a_step_left_out_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "- step: sign", "- step: draft")
    assert "the five steps register, assign, draft, sign, issue, in this order" in said


@pytest.mark.parametrize("clause", ["clause 5", "R3", "R3 five", "R3 5.2.1", "P3 5.2"])
def test_a_clause_that_is_none_is_refused(complaint: Edit, clause: str) -> None:
    said = complaint(HOME, "clause: R3 5.2", f"clause: {clause}")
    assert f"step 'assign', clause: expected a clause such as \"R3 5.2\"; found '{clause}'" in said


def test_a_clause_of_another_regulation_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "clause: R3 5.2", "clause: R2 5.2")
    assert "step 'assign', clause: expected a clause of R3 or of RES; found 'R2 5.2'" in said


def test_a_message_without_kazakh_is_refused(complaint: Edit) -> None:
    words = "көрсетілетін қызметті алушының деректерінің сәйкес келмеуіне байланысты"
    old = f"kk: >-\n        {words} авторландырудан бас\n        тарту\n"
    said = complaint(HOME, old, 'kk: ""\n')
    assert "refusal message 'RF-P1', text, Kazakh text: expected a text; found ''" in said


def test_a_message_without_english_is_refused(complaint: Edit) -> None:
    text = "Refusal of authorisation, because the recipient's data do not match"
    said = complaint(HOME, f"      en: {text}\n", "")
    assert "refusal message 'RF-P1', text, English text: expected this entry" in said


def test_a_kind_of_result_named_twice_is_refused(complaint: Edit) -> None:
    said = complaint(REFERRAL, "- kind: youth-practice", "- kind: employment")
    assert "kind of result 'employment': expected each one once; found 'employment' again" in said


def test_a_branch_that_leads_nowhere_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "otherwise: R3-P6", "otherwise: R3-P7")
    assert "process 'R3-P5', otherwise: expected the id of a process that raises" in said


def test_a_message_of_the_wrong_condition_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "condition: R3-P5", "condition: R3-P2")
    assert "refusal message 'RF-P2', condition: expected the condition whose branch is" in said


def test_a_message_nobody_wrote_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "raises: RF-P2", "raises: RF-P9")
    assert "process 'R3-P6', raises: expected the id of a refusal message of this file" in said
    assert "refusal message 'RF-P2', formed in: expected the process that raises RF-P2" in said


def test_a_misnumbered_process_is_refused(complaint: Edit) -> None:
    said = complaint(REFERRAL, "number: 3", "number: 4")
    assert "process 'R4-P4', number: expected process 3 of this channel; found 4" in said


def test_a_channel_that_takes_nothing_is_refused(complaint: Edit) -> None:
    said = complaint(
        REFERRAL, "channel: portal\n    kind: step", "channel: state-corporation\n    kind: step"
    )
    assert "expected a channel of this regulation (office, portal)" in said


def test_a_system_that_is_not_listed_is_refused(complaint: Edit) -> None:
    said = complaint(REFERRAL, "systems: [egov-gateway, labour-market]", "systems: [e-sobes]")
    assert "process 'R4-P7', systems: expected systems listed under `systems`" in said


def test_a_receiving_system_without_clause_is_refused(complaint: Edit) -> None:
    said = complaint(REFERRAL, "  clauses: [R4 8.8]\n\n", "\n")
    assert "receiving, clauses: expected the clauses that name it; found none" in said


def test_a_conditional_paper_without_condition_is_refused(complaint: Edit) -> None:
    said = complaint(REFERRAL, "    when: recipient-is-oralman\n", "")
    assert "document 'oralman-certificate': expected when the paper is needed" in said


def test_a_date_that_is_none_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "adopted: 2016-08-25", "adopted: 2016-08-32")
    assert "act '158-1526', adopted" in said
    assert said.endswith("found '2016-08-32'")


def test_an_edition_under_another_name_is_refused(complaint: Edit) -> None:
    said = complaint(HOME, "edition: 2016-08-25", "edition: 2016-08-26")
    assert "edition: expected the file's name, '2016-08-25'; found '2016-08-26'" in said


def test_a_digest_cannot_be_claimed(complaint: Edit) -> None:
    said = complaint(HOME, "regulation: R3", f"regulation: R3\ndigest: {'0' * 64}")
    assert "digest: expected no such entry (it is computed)" in said


def test_an_item_without_listed_source_is_refused(complaint: Edit) -> None:
    said = complaint(BESIDE, "source: W5", "source: W8")
    assert "source: expected a source listed under `sources`; found 'W8'" in said


def test_an_item_without_any_source_is_refused(complaint: Edit) -> None:
    said = complaint(BESIDE, "    source: W5\n", "")
    assert "source: expected this entry; found nothing" in said


def test_an_assumption_is_not_shown_as_known(complaint: Edit) -> None:
    said = complaint(
        BESIDE, "source: assumption\n    confidence: D", "source: assumption\n    confidence: A"
    )
    assert "confidence: expected D for what is assumed; found 'A'" in said


def test_the_five_grounds_of_refusal_are_complete(complaint: Edit) -> None:
    said = complaint(BESIDE, "ground: court-ban", "ground: untrue-documents")
    assert "grounds: expected the five grounds of the law" in said


def test_the_file_beside_belongs_to_its_definition(complaint: Edit) -> None:
    said = complaint(BESIDE, "regulation: R3", "regulation: R4")
    assert "regulation: expected 'R3', as in the definition; found 'R4'" in said


def test_a_definition_without_the_file_beside_it_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "home-education"
    folder.mkdir()
    shutil.copy(DEFINITIONS / HOME, folder)
    with pytest.raises(BrokenProcedure, match=r"expected 2016-08-25.outside.yaml; found no file"):
        load_catalogue(tmp_path)


def test_a_deleted_regulation_in_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "something-else"
    folder.mkdir()
    shutil.copy(DEFINITIONS / "unemployed-certificate" / "deleted.yaml", folder)
    with pytest.raises(BrokenProcedure, match="the folder's name, 'something-else'"):
        load_catalogue(tmp_path)
