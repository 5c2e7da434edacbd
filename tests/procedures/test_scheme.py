"""The block scheme as text, and the words for people."""

from pathlib import Path
from typing import get_args

import pytest

from shared.identifiers import Channel, Role, Step
from shared.procedures import kinds, wording
from shared.procedures.catalogue import Catalogue
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.models import Procedure
from shared.procedures.parts import Language
from shared.procedures.scheme import draw

GOLDEN = Path(__file__).parent / "golden"
LANGUAGES: tuple[Language, ...] = get_args(Language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_scheme_of_r3_is_drawn_as_agreed(home_education: Procedure, language: Language) -> None:
    golden = (GOLDEN / f"home-education.{language}.txt").read_text(encoding="utf-8")
    assert draw(home_education, language) == golden


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_scheme_shows_actors_times_and_clauses(
    catalogue: Catalogue, language: Language
) -> None:
    for procedure in catalogue.procedures.values():
        drawn = draw(procedure, language)
        for step in procedure.steps:
            assert wording.ROLES[step.actor].in_language(language) in drawn
            assert f"{wording.spell(step.within, language)} · {step.clause}" in drawn
        for process in procedure.processes:
            assert f"{process.clause} " in drawn
        for message in procedure.refusal_messages:
            assert f"{message.id} · " in drawn
        assert max(map(len, drawn.splitlines())) <= 78


def test_a_refusal_is_drawn_as_a_branch(home_education: Procedure) -> None:
    lines = draw(home_education, "en").splitlines()
    branch = next(line for line in lines if "process 2 · portal" in line)
    assert branch.startswith("   ├── no ───▶│")


def test_an_inferred_speaker_is_marked(home_education: Procedure) -> None:
    drawn = draw(home_education, "en")
    assert "RF-P1 · refusal of authorisation · portal " in drawn
    assert "RF-P2 · refusal of the service · portal (inferred)" in drawn


def test_the_slips_stand_at_the_end(employment_referral: Procedure) -> None:
    drawn = draw(employment_referral, "kk")
    assert drawn.index("Мәтіннің қайшылықтары") > drawn.index("R4 5.5")
    assert "2-процесс" in drawn
    assert "R4 3 2-абзац" in drawn


@pytest.mark.parametrize(
    ("amount", "kk", "ru", "en"),
    [
        (1, "1 жұмыс күні", "1 рабочий день", "1 working day"),
        (2, "2 жұмыс күні", "2 рабочих дня", "2 working days"),
        (5, "5 жұмыс күні", "5 рабочих дней", "5 working days"),
        (11, "11 жұмыс күні", "11 рабочих дней", "11 working days"),
        (21, "21 жұмыс күні", "21 рабочий день", "21 working days"),
        (112, "112 жұмыс күні", "112 рабочих дней", "112 working days"),
    ],
)
def test_days_are_counted_as_people_speak(amount: int, kk: str, ru: str, en: str) -> None:
    limit = TimeLimit(amount=amount, unit=TimeUnit.WORKING_DAYS)
    assert [wording.spell(limit, language) for language in LANGUAGES] == [kk, ru, en]


def test_minutes_are_counted_as_people_speak() -> None:
    minutes = [TimeLimit(amount=amount, unit=TimeUnit.MINUTES) for amount in (1, 3, 15)]
    assert [wording.spell(limit, "ru") for limit in minutes] == ["1 минута", "3 минуты", "15 минут"]


@pytest.mark.parametrize(
    ("clause", "kk", "ru"),
    [
        ("R3 5.2", "R3 5.2", "R3 5.2"),
        ("R3 3 para 2", "R3 3 2-абзац", "R3 3 абзац 2"),
        ("R2 section 4 note", "R2 4-бөлім ескерту", "R2 раздел 4 примечание"),
        ("R2 annex 2", "R2 2-қосымша", "R2 приложение 2"),
        ("RES head", "RES басы", "RES вводная часть"),
    ],
)
def test_clauses_are_spelt_in_the_readers_language(clause: str, kk: str, ru: str) -> None:
    assert wording.spell_clause(clause, "kk") == kk
    assert wording.spell_clause(clause, "ru") == ru
    assert wording.spell_clause(clause, "en") == clause


def test_there_are_words_for_every_kind() -> None:
    assert set(Channel) == set(wording.CHANNELS)
    assert set(Step) == set(wording.STEPS)
    assert set(kinds.Participant) == set(wording.PARTICIPANTS)
    assert set(kinds.ProcessKind) == set(wording.PROCESS_KINDS)
    assert set(kinds.RefusalKind) == set(wording.REFUSALS)
    assert {role for role in Role if role not in {Role.OPERATOR, Role.ADMINISTRATOR}} == set(
        wording.ROLES
    )
