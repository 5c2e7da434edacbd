"""R2: what its clauses say stands in the loaded data, in the words of the law."""

import pytest

from shared.identifiers import Channel, Role, Step
from shared.procedures import kinds
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.models import Procedure


def test_its_name_and_provider(prosthetic_aid: Procedure) -> None:
    assert prosthetic_aid.regulation == "R2"
    assert prosthetic_aid.title.kk == (
        "Мүгедектерге протездік-ортопедиялық көмек ұсыну үшін оларға құжаттарды ресімдеу"
    )
    assert prosthetic_aid.title.ru == (
        "Оформление документов на инвалидов для предоставления им протезно-ортопедической помощи"
    )
    assert prosthetic_aid.provider.text.kk == (
        '"Астана қаласының Жұмыспен қамту, еңбек және әлеуметтік қорғау басқармасы" '
        "мемлекеттік мекемесі"
    )
    assert prosthetic_aid.provider.clause == "R2 1"
    assert "№ 279 бұйрығымен бекітілген" in prosthetic_aid.standard.text.kk


def test_the_provider_is_the_only_channel(prosthetic_aid: Procedure) -> None:
    assert [item.channel for item in prosthetic_aid.channels] == [Channel.OFFICE]
    assert prosthetic_aid.channels[0].clause == "R2 1 para 2"
    assert not prosthetic_aid.accepts(Channel.PORTAL)
    assert not prosthetic_aid.accepts(Channel.STATE_CORPORATION)


def test_the_service_may_be_electronic_but_its_result_is_paper(prosthetic_aid: Procedure) -> None:
    assert prosthetic_aid.form.electronic is kinds.ElectronicForm.FULLY_OR_PARTLY_AUTOMATED
    assert prosthetic_aid.form.paper
    assert prosthetic_aid.form.clause == "R2 2"
    assert prosthetic_aid.result.forms == (kinds.ResultForm.PAPER,)
    assert prosthetic_aid.result.form_clause == "R2 3 para 2"
    assert prosthetic_aid.electronic_result is None


def test_the_result_is_a_notification_with_time_limits(prosthetic_aid: Procedure) -> None:
    assert prosthetic_aid.result.document is kinds.ResultDocument.NOTIFICATION
    assert prosthetic_aid.result.text.kk == (
        "мүгедектерге протездік-ортопедиялық көмек ұсыну мерзімдері көрсетілген "
        "құжаттарды ресімдеу туралы хабарлама"
    )
    assert [item.kind for item in prosthetic_aid.result_kinds] == [
        kinds.ResultKind.REGISTRATION_OF_DOCUMENTS
    ]


def test_it_starts_with_an_application(prosthetic_aid: Procedure) -> None:
    (ground,) = prosthetic_aid.grounds
    assert ground.ground is kinds.StartGround.APPLICATION
    assert ground.clause == "R2 4"
    assert "Стандарттың қосымшасына сәйкес нысан бойынша өтініш" in ground.text.kk


def test_the_head_is_missing_from_the_list_of_units(prosthetic_aid: Procedure) -> None:
    listed = [(unit.role, unit.clause) for unit in prosthetic_aid.units if unit.listed]
    assert listed == [
        (Role.OFFICE_SPECIALIST, "R2 6.1"),
        (Role.MANAGEMENT, "R2 6.2"),
        (Role.RESPONSIBLE_EXECUTOR, "R2 6.3"),
    ]
    assert [unit.role for unit in prosthetic_aid.units if not unit.listed] == [Role.HEAD]
    assert any(note.clause == "R2 6" for note in prosthetic_aid.notes)


@pytest.mark.parametrize(
    ("step", "actor", "amount", "unit", "clause", "words", "result"),
    [
        (Step.REGISTER, Role.OFFICE_SPECIALIST, 15, TimeUnit.MINUTES, "R2 5.1",
         "қажетті құжаттарды берген сәтінен бастап қабылдайды",
         "көрсетілетін қызметті берушінің басшысына бұрыштама қоюға жіберу"),
        (Step.ASSIGN, Role.HEAD, 2, TimeUnit.WORKING_DAYS, "R2 5.2",
         "көрсетілетін қызметті берушінің жауапты орындаушысын анықтайды",
         "жауапты орындаушысына құжаттарды жолдау"),
        (Step.DRAFT, Role.RESPONSIBLE_EXECUTOR, 5, TimeUnit.WORKING_DAYS, "R2 5.3",
         "көрсетілетін қызметті берушінің басшылығына қол қою үшін жібереді",
         "басшылығына қол қою үшін хабарламаны жіберу"),
        (Step.SIGN, Role.MANAGEMENT, 2, TimeUnit.WORKING_DAYS, "R2 5.4",
         "көрсетілетін қызметті берушінің басшылығы хабарламаға қол қояды",
         "қол қойылған хабарламаны көрсетілетін қызметті берушінің кеңсесіне жолдау"),
        (Step.ISSUE, Role.OFFICE_SPECIALIST, 1, TimeUnit.WORKING_DAYS, "R2 5.5",
         "кеңсе маманы хабарламаны тіркейді", "хабарламаны көрсетілетін қызметті алушыға беру"),
    ],
)  # fmt: skip
def test_its_five_steps(
    prosthetic_aid: Procedure,
    *,
    step: Step,
    actor: Role,
    amount: int,
    unit: TimeUnit,
    clause: str,
    words: str,
    result: str,
) -> None:
    found = prosthetic_aid.step(step)
    assert found.actor is actor
    assert found.within == TimeLimit(amount=amount, unit=unit)
    assert (found.clause, found.result_clause) == (clause, clause)
    assert words in found.action.kk
    assert result in found.result.kk


def test_its_steps_add_up_to_ten_working_days(prosthetic_aid: Procedure) -> None:
    assert prosthetic_aid.sum_of_steps.minutes == 15
    assert prosthetic_aid.sum_of_steps.working_days == 10
    assert prosthetic_aid.whole_term == TimeLimit(amount=10, unit=TimeUnit.WORKING_DAYS)


def test_it_has_no_channel_process_no_refusal_and_no_receiving_system(
    prosthetic_aid: Procedure,
) -> None:
    assert prosthetic_aid.processes == ()
    assert prosthetic_aid.refusal_messages == ()
    assert prosthetic_aid.receiving.system is kinds.ReceivingSystem.NONE


def test_its_annexes_and_legend(prosthetic_aid: Procedure) -> None:
    assert [(item.number, item.kind, item.named_in) for item in prosthetic_aid.annexes] == [
        (1, kinds.AnnexKind.BLOCK_SCHEME, "R2 7"),
        (2, kinds.AnnexKind.BUSINESS_PROCESS_DIRECTORY, "R2 8"),
    ]
    assert all(item.heading is not None for item in prosthetic_aid.annexes)
    assert "халыққа қызмет көрсету орталығының" in prosthetic_aid.legend.text.kk
    assert "интернет–ресурсында орналастырылады" in prosthetic_aid.publication.text.kk


def test_only_the_heading_of_section_4_was_ever_changed(prosthetic_aid: Procedure) -> None:
    assert [(act.act, act.effect, act.clause) for act in prosthetic_aid.acts] == [
        ("158-2150", kinds.ActEffect.APPROVED, "RES 4"),
        ("158-1526", kinds.ActEffect.SECTION_HEADING, "R2 section 4 note"),
        ("158-1535", kinds.ActEffect.REPEALED, "RES head"),
    ]
