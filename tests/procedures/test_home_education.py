"""R3: what its clauses say stands in the loaded data, in the words of the law."""

import pytest

from shared.identifiers import Channel, Role, Step
from shared.procedures import kinds
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.models import Procedure
from shared.procedures.parts import ChannelProcess


def minutes(items: list[ChannelProcess]) -> int:
    return sum(item.within.amount for item in items if item.within is not None)


def test_its_name_and_provider(home_education: Procedure) -> None:
    assert home_education.regulation == "R3"
    assert home_education.title.kk == "Мүгедек балаларды үйде оқытуға жұмсалған шығындарды өтеу"
    assert home_education.title.ru == "Возмещение затрат на обучение на дому детей-инвалидов"
    assert "еңбек және әлеуметтік қорғау басқармасы" in home_education.provider.text.kk
    assert "№ 11342 болып тіркелген" in home_education.standard.text.kk


def test_it_is_for_natural_persons_and_free(home_education: Procedure) -> None:
    assert home_education.recipients is not None
    assert home_education.recipients.text.kk == "жеке тұлғаларға"
    assert home_education.free_of_charge is not None
    assert home_education.free_of_charge.text.kk == "тегін көрсетіледі"
    assert home_education.free_of_charge.clause == "R3 1"


def test_its_three_channels_in_the_order_of_the_law(home_education: Procedure) -> None:
    assert [(item.channel, item.clause) for item in home_education.channels] == [
        (Channel.STATE_CORPORATION, "R3 1.1"),
        (Channel.OFFICE, "R3 1.2"),
        (Channel.PORTAL, "R3 1.3"),
    ]
    assert home_education.channels[2].text.kk == 'www.egov.kz "электрондық үкіметтің" веб-порталы'


def test_its_form_and_result(home_education: Procedure) -> None:
    assert home_education.form.electronic is kinds.ElectronicForm.FULLY_AUTOMATED
    assert home_education.form.paper
    assert home_education.result.forms == (kinds.ResultForm.ELECTRONIC, kinds.ResultForm.PAPER)
    assert home_education.result.text.kk == "жәрдемақы тағайындау туралы хабарлама"
    assert [item.kind for item in home_education.result_kinds] == [
        kinds.ResultKind.ASSIGNMENT_OF_BENEFIT
    ]


def test_the_electronic_result_goes_to_the_personal_account(home_education: Procedure) -> None:
    result = home_education.electronic_result
    assert result is not None
    assert result.signed_by is kinds.Signer.PROVIDER_AUTHORISED_PERSON
    assert result.delivered_to is kinds.InformationSystem.PERSONAL_ACCOUNT
    assert result.clause == "R3 3 para 3"
    assert "жәрдемақыны тағайындау туралы ақпарат" in result.text.kk


def test_it_starts_with_an_application_or_a_request(home_education: Procedure) -> None:
    assert [(item.ground, item.channel, item.clause) for item in home_education.grounds] == [
        (kinds.StartGround.APPLICATION, None, "R3 4"),
        (kinds.StartGround.REQUEST, None, "R3 4"),
    ]


def test_its_units(home_education: Procedure) -> None:
    assert [(unit.role, unit.clause, unit.listed) for unit in home_education.units] == [
        (Role.OFFICE_SPECIALIST, "R3 7.1", True),
        (Role.HEAD, "R3 7.2", True),
        (Role.RESPONSIBLE_EXECUTOR, "R3 7.3", True),
    ]


@pytest.mark.parametrize(
    ("step", "actor", "amount", "unit", "place", "words", "result"),
    [
        (Step.REGISTER, Role.OFFICE_SPECIALIST, 15, TimeUnit.MINUTES, 1,
         "құжаттарды қабылдауды және олардың тіркелуін жүзеге асырады", "бұрыштама қоюға жіберу"),
        (Step.ASSIGN, Role.HEAD, 1, TimeUnit.WORKING_DAYS, 2,
         "көрсетілетін қызметті алушының құжаттарымен танысады", "орындаушысына жолдау"),
        (Step.DRAFT, Role.RESPONSIBLE_EXECUTOR, 6, TimeUnit.WORKING_DAYS, 3,
         "жәрдемақы тағайындау туралы хабарламаны рәсімдейді", "басшысына қол қою үшін жіберу"),
        (Step.SIGN, Role.HEAD, 1, TimeUnit.WORKING_DAYS, 4,
         "басшысы жәрдемақыны тағайындау туралы хабарламаға қол қояды", "кеңсесіне жолдау"),
        (Step.ISSUE, Role.OFFICE_SPECIALIST, 1, TimeUnit.WORKING_DAYS, 5,
         "көрсетілетін қызметті алушыға мемлекеттік қызмет нәтижесін береді", "алушыға беру"),
    ],
)  # fmt: skip
def test_its_five_steps(
    home_education: Procedure,
    *,
    step: Step,
    actor: Role,
    amount: int,
    unit: TimeUnit,
    place: int,
    words: str,
    result: str,
) -> None:
    found = home_education.step(step)
    assert found.actor is actor
    assert found.within == TimeLimit(amount=amount, unit=unit)
    assert (found.clause, found.result_clause) == (f"R3 5.{place}", f"R3 6.{place}")
    assert words in found.action.kk
    assert found.result.kk.endswith(result)


def test_its_steps_add_up_to_nine_working_days(home_education: Procedure) -> None:
    assert home_education.sum_of_steps.minutes == 15
    assert home_education.sum_of_steps.working_days == 9


@pytest.mark.parametrize(
    ("process_id", "kind", "number", "actor", "amount", "clause", "words"),
    [
        ("R3-S1", "step", None, "recipient", 2, "R3 9.1", '"кедергісіз" қызмет көрсету'),
        ("R3-S2", "process", 1, "state-corporation-operator", 1, "R3 9.2", "логин мен парольді"),
        ("R3-S3", "process", 2, "state-corporation-operator", 2, "R3 9.3",
         "басқаша куәландырылған жағдайда – сенімхатының деректері толтырылмайды"),
        ("R3-S4", "process", 3, "not-said", 2, "R3 9.4", "Бірыңғай нотариалдық ақпараттық"),
        ("R3-S5", "condition", 1, "not-said", 1, "R3 9.5", "БНАЖ-да бар болуын тексеру"),
        ("R3-S6", "process", 4, "not-said", 2, "R3 9.6", "деректерді алу мүмкін еместігі"),
        ("R3-S7", "process", 5, "not-said", 2, "R3 9.7", "операторының ЭЦҚ куәландырылған"),
        ("R3-S8", "condition", 2, "provider", 2, "R3 9.8", "негіздемесін тексеруі (өңдеуі)"),
        ("R3-S9", "process", 6, "not-said", 2, "R3 9.9", "тізбесіне сәйкес келмеуіне"),
        ("R3-S10", "delivery", None, "recipient", None, "R3 10.1", "мерзімі аяқталғаннан соң"),
        ("R3-S11", "delivery", None, "not-said", 20, "R3 10.2", "рұқсат етілетін уақыты"),
    ],
)  # fmt: skip
def test_the_state_corporations_process(
    home_education: Procedure,
    *,
    process_id: str,
    kind: str,
    number: int | None,
    actor: str,
    amount: int | None,
    clause: str,
    words: str,
) -> None:
    found = home_education.process(process_id)
    assert (found.kind.value, found.number, found.actor.value) == (kind, number, actor)
    assert found.channel is Channel.STATE_CORPORATION
    assert found.within == (amount and TimeLimit(amount=amount, unit=TimeUnit.MINUTES))
    assert found.clause == clause
    assert words in found.text.kk


def test_the_minutes_of_the_state_corporation(home_education: Procedure) -> None:
    lines = [item for item in home_education.processes if item.clause.startswith("R3 9.")]
    trunk = [item for item in lines if item.raises is None]
    assert minutes(lines) == 16
    assert minutes(trunk) == 12
    to_first_refusal = [home_education.process(f"R3-S{place}") for place in range(1, 7)]
    assert minutes(to_first_refusal) == 10
    assert minutes([*trunk, home_education.process("R3-S9")]) == 14


@pytest.mark.parametrize(
    ("process_id", "kind", "number", "actor", "clause", "words"),
    [
        ("R3-P0", "step", None, "recipient", "R3 11.1", "порталда тіркелуді жүзеге асырады"),
        ("R3-P1", "process", 1, "recipient", "R3 11.2", "(авторландыру үдерісі) енгізу"),
        ("R3-P2", "condition", 1, "portal", "R3 11.3", "түпнұсқалығын порталда тексеру"),
        ("R3-P3", "process", 2, "portal", "R3 11.4", "деректерінің сәйкес келмеуіне байланысты"),
        ("R3-P4", "process", 3, "recipient", "R3 11.5", "ЭЦҚ тіркеу куәлігін таңдайды"),
        ("R3-P5", "condition", 2, "portal", "R3 11.6", "қайтарылған (күші жойылған)"),
        ("R3-P6", "process", 4, "not-said", "R3 11.7", "ЭЦҚ түпнұсқалығы расталмауына"),
        ("R3-P7", "process", 5, "not-said", "R3 11.8", '"Е-собес" АЖ-ға'),
        ("R3-P8", "condition", 3, "provider", "R3 11.9", "құжаттарының сәйкестігін тексеруі"),
        ("R3-P9", "process", 6, "not-said", "R3 11.10", "тізбесіне сәйкес келмеуіне"),
        ("R3-P10", "process", 7, "recipient", "R3 11.11", '"жеке кабинетіне" жолданады'),
    ],
)
def test_the_portals_process_has_no_times(
    home_education: Procedure,
    *,
    process_id: str,
    kind: str,
    number: int | None,
    actor: str,
    clause: str,
    words: str,
) -> None:
    found = home_education.process(process_id)
    assert (found.kind.value, found.number, found.actor.value) == (kind, number, actor)
    assert found.channel is Channel.PORTAL
    assert found.within is None
    assert found.clause == clause
    assert words in found.text.kk


def test_what_its_conditions_check(home_education: Procedure) -> None:
    checks = {item.id: [check.value for check in item.checks] for item in home_education.processes}
    assert {key: value for key, value in checks.items() if value} == {
        "R3-S5": ["recipient-in-gbd", "power-of-attorney-in-unis"],
        "R3-S8": ["documents-conform", "ground-for-service"],
        "R3-P2": ["recipient-data-authentic"],
        "R3-P5": ["certificate-validity-period", "certificate-not-revoked", "iin-matches"],
        "R3-P8": ["documents-conform"],
    }


def test_who_signs_what(home_education: Procedure) -> None:
    signed = {item.id: item.signed_by for item in home_education.processes if item.signed_by}
    assert signed == {
        "R3-S7": kinds.Signer.STATE_CORPORATION_OPERATOR,
        "R3-P7": kinds.Signer.RECIPIENT,
        "R3-P10": kinds.Signer.PROVIDER_AUTHORISED_PERSON,
    }


def test_a_representative_needs_a_power_of_attorney(home_education: Procedure) -> None:
    (paper,) = [
        item
        for item in home_education.documents
        if item.kind is kinds.DocumentKind.POWER_OF_ATTORNEY
    ]
    assert paper.need is kinds.Need.CONDITIONAL
    assert paper.when is kinds.DocumentCondition.REPRESENTATIVE_ACTS
    assert paper.clause == "R3 9.3"


def test_requests_go_to_e_sobes(home_education: Procedure) -> None:
    assert home_education.receiving.system is kinds.ReceivingSystem.E_SOBES
    assert home_education.receiving.clauses == ("R3 9.7", "R3 11.8")


def test_the_systems_it_names(home_education: Procedure) -> None:
    clauses = {item.system.value: item.clauses for item in home_education.systems}
    assert clauses["egov-gateway"] == ("R3 9.4", "R3 9.7", "R3 11.8")
    assert clauses["gbd-fl"] == clauses["gbd-ul"] == clauses["unis"]
    assert clauses["unis"] == ("R3 9.4", "R3 9.5", "R3 9.6")
    assert clauses["revoked-certificates-list"] == ("R3 11.6",)
    assert clauses["electronic-queue"] == ("R3 9.1",)
    assert "labour-market" not in clauses


def test_its_annexes_have_no_headings(home_education: Procedure) -> None:
    assert [(item.number, item.kind.value, item.named_in) for item in home_education.annexes] == [
        (1, "block-scheme", "R3 8"),
        (2, "interaction-diagram", "R3 9"),
        (3, "interaction-diagram", "R3 11"),
        (4, "business-process-directory", "R3 11"),
    ]
    assert all(item.heading is None for item in home_education.annexes)


def test_the_whole_annex_is_a_new_edition(home_education: Procedure) -> None:
    assert [(act.act, act.effect.value, act.clause) for act in home_education.acts] == [
        ("158-2150", "approved", "RES 4"),
        ("158-1526", "new-edition", "R3 note"),
        ("158-1535", "repealed", "RES head"),
    ]
