"""R4: what its clauses say stands in the loaded data, in the words of the law."""

import pytest

from shared.identifiers import Channel, Role, Step
from shared.procedures import kinds
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.models import Procedure


def test_its_name_and_its_differently_named_provider(employment_referral: Procedure) -> None:
    assert employment_referral.regulation == "R4"
    assert employment_referral.title.kk == (
        "Адамдарға жұмыспен қамтуға жәрдемдесудің белсенді шараларына қатысуға жолдамалар беру"
    )
    assert employment_referral.title.ru == (
        "Выдача направлений лицам на участие в активных мерах содействия занятости"
    )
    assert employment_referral.provider.text.kk == (
        '"Астана қаласының Жұмыспен қамту және әлеуметтік бағдарламалар басқармасы" '
        "мемлекеттік мекемесі"
    )


def test_its_two_channels(employment_referral: Procedure) -> None:
    assert [(item.channel, item.clause) for item in employment_referral.channels] == [
        (Channel.OFFICE, "R4 1.1"),
        (Channel.PORTAL, "R4 1.2"),
    ]


def test_it_does_not_say_who_may_apply_or_what_it_costs(employment_referral: Procedure) -> None:
    assert employment_referral.recipients is None
    assert employment_referral.free_of_charge is None


def test_its_form(employment_referral: Procedure) -> None:
    assert employment_referral.form.electronic is kinds.ElectronicForm.PARTLY_AUTOMATED
    assert employment_referral.form.clause == "R4 2"
    assert employment_referral.result.document is kinds.ResultDocument.REFERRAL
    assert employment_referral.result.forms == (
        kinds.ResultForm.ELECTRONIC,
        kinds.ResultForm.PAPER,
    )
    assert employment_referral.electronic_result is not None
    assert employment_referral.electronic_result.clause == "R4 3 para 3"


@pytest.mark.parametrize(
    ("place", "kind", "document", "kk", "ru"),
    [
        (1, "employment", "referral", "жұмысқа орналасуға жолдама",
         "направление для трудоустройства"),
        (2, "public-works", "referral", "қоғамдық жұмыстарға жолдама",
         "направление на общественные работы"),
        (3, "vocational-training", "referral",
         "адамдарға кәсіби даярлауға, қайта даярлауға және біліктілігін арттыруға жолдама",
         ("направление лицам на профессиональную подготовку, переподготовку и повышение "
          "квалификации")),
        (4, "social-workplace", "referral",
         "әлеуметтік жұмыс орындарына жұмысқа орналасуға жолдама",
         "направление для трудоустройства на социальные рабочие места"),
        (5, "youth-practice", "referral", "жастар практикасына жолдама",
         "направление на молодежную практику"),
        (6, "career-guidance", "free-services",
         "адамдарға кәсіби бағдарлануға тегін қызметтер көрсету",
         "оказание бесплатных услуг лицам в профессиональной ориентации"),
    ],
)  # fmt: skip
def test_its_six_kinds_of_result(
    employment_referral: Procedure, place: int, kind: str, document: str, kk: str, ru: str
) -> None:
    assert len(employment_referral.result_kinds) == 6
    found = employment_referral.result_kinds[place - 1]
    assert (found.kind.value, found.document.value) == (kind, document)
    assert found.clause == f"R4 3.{place}"
    assert (found.text.kk, found.text.ru) == (kk, ru)


def test_it_starts_with_an_identity_document_or_a_signed_request(
    employment_referral: Procedure,
) -> None:
    assert [(item.ground.value, item.channel) for item in employment_referral.grounds] == [
        ("identity-document", Channel.OFFICE),
        ("request", Channel.PORTAL),
    ]
    assert not any(
        item.kind is kinds.DocumentKind.APPLICATION for item in employment_referral.documents
    )


def test_the_papers_it_names(employment_referral: Procedure) -> None:
    papers = {item.kind.value: item for item in employment_referral.documents}
    assert [variant.value for variant in papers["identity-document"].variants] == [
        "identity-card",
        "passport",
        "residence-permit",
        "stateless-certificate",
    ]
    assert papers["oralman-certificate"].when is kinds.DocumentCondition.RECIPIENT_IS_ORALMAN
    assert "оралмандар үшін оралман куәлігі" in papers["oralman-certificate"].text.kk


@pytest.mark.parametrize(
    ("step", "actor", "amount", "place", "words"),
    [
        (Step.REGISTER, Role.OFFICE_SPECIALIST, 3, 1, "тапсырған сәттен бастап қабылдайды"),
        (Step.ASSIGN, Role.HEAD, 5, 2, "көрсетілетін қызметті берушінің құжаттарымен танысады"),
        (Step.DRAFT, Role.RESPONSIBLE_EXECUTOR, 15, 3, "жолдаманы рәсімдейді"),
        (Step.SIGN, Role.HEAD, 4, 4, "басшысы жолдамаға қол қояды"),
        (Step.ISSUE, Role.OFFICE_SPECIALIST, 3, 5, "кеңсе маманы жолдаманы тіркейді"),
    ],
)
def test_its_five_steps(
    employment_referral: Procedure, step: Step, actor: Role, amount: int, place: int, words: str
) -> None:
    found = employment_referral.step(step)
    assert found.actor is actor
    assert found.within == TimeLimit(amount=amount, unit=TimeUnit.MINUTES)
    assert (found.clause, found.result_clause) == (f"R4 5.{place}", f"R4 5.{place}")
    assert words in found.action.kk


def test_its_steps_add_up_to_thirty_minutes(employment_referral: Procedure) -> None:
    assert employment_referral.sum_of_steps.working_days == 0
    assert employment_referral.whole_term == TimeLimit(amount=30, unit=TimeUnit.MINUTES)


def test_its_units(employment_referral: Procedure) -> None:
    assert [(unit.role, unit.clause) for unit in employment_referral.units] == [
        (Role.OFFICE_SPECIALIST, "R4 6.1"),
        (Role.HEAD, "R4 6.2"),
        (Role.RESPONSIBLE_EXECUTOR, "R4 6.3"),
    ]


@pytest.mark.parametrize(
    ("process_id", "kind", "number", "actor", "clause", "words"),
    [
        ("R4-P0", "step", None, "recipient", "R4 8.1", "порталға тіркелуді жүзеге асырады"),
        ("R4-P1", "process", 1, "recipient", "R4 8.2", "(авторландыру процессі) енгізу"),
        ("R4-P2", "condition", 1, "portal", "R4 8.3", "түпнұсқалығын порталда тексеру"),
        ("R4-P3", "process", 2, "portal", "R4 8.4", "құжаттарында бұзушылықтардың болуына"),
        ("R4-P4", "process", 3, "recipient", "R4 8.5", "ЭЦҚ тіркеу куәлігін таңдауы"),
        ("R4-P5", "condition", 2, "portal", "R4 8.6", "ЭЦҚ тіркеу куәлігінің қолдану мерзімін"),
        ("R4-P6", "process", 4, "not-said", "R4 8.7", "түпнұсқалығының расталмағандығына"),
        ("R4-P7", "process", 5, "not-said", "R4 8.8", '"Еңбек нарығы" автоматтандырылған'),
        ("R4-P8", "condition", 3, "provider", "R4 8.9", "құжаттарының сәйкестігін тексереді"),
        ("R4-P9", "process", 6, "not-said", "R4 8.10", "құжаттарында бұзушылықтардың болуына"),
        ("R4-P10", "process", 7, "recipient", "R4 8.11", "шараларына қатысуға жолдама) алуы"),
    ],
)
def test_the_portals_process(
    employment_referral: Procedure,
    *,
    process_id: str,
    kind: str,
    number: int | None,
    actor: str,
    clause: str,
    words: str,
) -> None:
    found = employment_referral.process(process_id)
    assert (found.kind.value, found.number, found.actor.value) == (kind, number, actor)
    assert found.within is None
    assert found.clause == clause
    assert words in found.text.kk


def test_its_certificate_condition_makes_the_same_three_checks(
    employment_referral: Procedure, home_education: Procedure
) -> None:
    assert employment_referral.process("R4-P5").checks == home_education.process("R3-P5").checks


def test_requests_go_to_the_labour_market(employment_referral: Procedure) -> None:
    assert employment_referral.receiving.system is kinds.ReceivingSystem.LABOUR_MARKET
    assert employment_referral.receiving.clauses == ("R4 8.8",)


def test_its_annexes(employment_referral: Procedure) -> None:
    annexes = employment_referral.annexes
    assert [(item.number, item.kind.value, item.named_in) for item in annexes] == [
        (1, "block-scheme", "R4 7"),
        (2, "interaction-diagram", "R4 8"),
        (3, "business-process-directory", "R4 9"),
    ]


def test_its_words_were_replaced(employment_referral: Procedure) -> None:
    assert [(act.act, act.effect.value, act.clause) for act in employment_referral.acts] == [
        ("158-2150", "approved", "RES 4"),
        ("158-1526", "section-heading", "R4 section 4 note"),
        ("158-2561", "words-replaced", "R4 note"),
        ("158-1535", "repealed", "RES head"),
    ]
    assert "нысандарына" not in employment_referral.title.kk
