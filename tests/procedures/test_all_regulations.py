"""What holds across the regulations: the eight messages, the differences, the slips, the dates."""

from datetime import date

import pytest

from shared.identifiers import Channel, Step
from shared.procedures import kinds
from shared.procedures.catalogue import Catalogue
from shared.procedures.models import Procedure
from shared.procedures.parts import RefusalMessage

PER_LIST = "Стандарттың 9-тармағында көрсетілген құжаттардың тізбесіне сәйкес келмеуіне байланысты"


@pytest.fixture(scope="session")
def messages(catalogue: Catalogue) -> dict[str, RefusalMessage]:
    return {
        message.id: message
        for procedure in catalogue.procedures.values()
        for message in procedure.refusal_messages
    }


def test_there_are_eight_refusal_messages(messages: dict[str, RefusalMessage]) -> None:
    assert sorted(messages) == [
        "RF-J1", "RF-J2", "RF-J3", "RF-P1", "RF-P2", "RF-P3", "RF-S1", "RF-S2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "condition", "by", "said", "reason", "refuses", "clause", "words"),
    [
        ("RF-S1", "R3-S5", "state-corporation-system", "inferred", "data-absent",
         "data-cannot-be-obtained", "R3 9.6", "БНАЖ-да сенімхат деректерінің болмауына байланысты"),
        ("RF-S2", "R3-S8", "provider", "inferred", "documents-not-per-list",
         "refusal-of-service", "R3 9.9", PER_LIST),
        ("RF-P1", "R3-P2", "portal", "law", "data-do-not-match",
         "refusal-of-authorisation", "R3 11.4", "деректерінің сәйкес келмеуіне байланысты"),
        ("RF-P2", "R3-P5", "portal", "inferred", "eds-not-confirmed",
         "refusal-of-service", "R3 11.7", "ЭЦҚ түпнұсқалығы расталмауына байланысты"),
        ("RF-P3", "R3-P8", "provider", "inferred", "documents-not-per-list",
         "refusal-of-service", "R3 11.10", PER_LIST),
        ("RF-J1", "R4-P2", "portal", "law", "violations-in-documents",
         "refusal-of-authorisation", "R4 8.4", "бұзушылықтардың болуына байланысты"),
        ("RF-J2", "R4-P5", "portal", "inferred", "eds-not-confirmed",
         "refusal-of-service", "R4 8.7", "ЭЦҚ түпнұсқалығының расталмағандығына байланысты"),
        ("RF-J3", "R4-P8", "provider", "inferred", "violations-in-documents",
         "refusal-of-service", "R4 8.10", "бұзушылықтардың болуына байланысты"),
    ],
)  # fmt: skip
def test_each_message(
    messages: dict[str, RefusalMessage],
    *,
    message: str,
    condition: str,
    by: str,
    said: str,
    reason: str,
    refuses: str,
    clause: str,
    words: str,
) -> None:
    found = messages[message]
    assert found.condition == condition
    assert (found.raised_by.value, found.raised_by_said.value) == (by, said)
    assert (found.reason.value, found.refuses.value) == (reason, refuses)
    assert found.clause == clause
    assert words in found.text.kk


def test_only_one_message_is_not_called_a_refusal(messages: dict[str, RefusalMessage]) -> None:
    assert [key for key, item in messages.items() if "бас тарту" not in item.text.kk] == ["RF-S1"]
    assert "деректерді алу мүмкін еместігі" in messages["RF-S1"].text.kk


def test_no_office_channel_refuses(catalogue: Catalogue) -> None:
    for procedure in catalogue.procedures.values():
        assert not procedure.processes_of(Channel.OFFICE)
        assert all(item.channel is not Channel.OFFICE for item in procedure.refusal_messages)


def test_a_failed_check_finds_its_message(
    prosthetic_aid: Procedure, home_education: Procedure, employment_referral: Procedure
) -> None:
    def told(procedure: Procedure, channel: Channel, check: kinds.Check) -> str | None:
        found = procedure.message_when_fails(channel, check)
        return found.id if found is not None else None

    corporation, portal = Channel.STATE_CORPORATION, Channel.PORTAL
    assert told(home_education, corporation, kinds.Check.POWER_OF_ATTORNEY_IN_UNIS) == "RF-S1"
    assert told(home_education, corporation, kinds.Check.DOCUMENTS_CONFORM) == "RF-S2"
    assert told(home_education, portal, kinds.Check.DOCUMENTS_CONFORM) == "RF-P3"
    assert told(home_education, Channel.OFFICE, kinds.Check.DOCUMENTS_CONFORM) is None
    for check in (
        kinds.Check.CERTIFICATE_VALIDITY_PERIOD,
        kinds.Check.CERTIFICATE_NOT_REVOKED,
        kinds.Check.IIN_MATCHES,
    ):
        assert told(home_education, portal, check) == "RF-P2"
        assert told(employment_referral, portal, check) == "RF-J2"
    assert told(prosthetic_aid, Channel.OFFICE, kinds.Check.DOCUMENTS_CONFORM) is None
    with pytest.raises(KeyError, match="RF-X9"):
        home_education.message("RF-X9")
    with pytest.raises(KeyError, match="R3-P99"):
        home_education.process("R3-P99")


def test_only_r2_is_signed_by_the_management(catalogue: Catalogue) -> None:
    signers = {
        procedure.regulation: procedure.step(Step.SIGN).actor.value
        for procedure in catalogue.procedures.values()
    }
    assert signers == {"R2": "management", "R3": "head", "R4": "head"}


def test_the_head_names_the_executor_everywhere(catalogue: Catalogue) -> None:
    for procedure in catalogue.procedures.values():
        assert procedure.step(Step.ASSIGN).actor.value == "head"


def test_r4_alone_names_another_provider(
    prosthetic_aid: Procedure, home_education: Procedure, employment_referral: Procedure
) -> None:
    assert prosthetic_aid.provider.text == home_education.provider.text
    assert employment_referral.provider.text != home_education.provider.text


def test_the_law_does_not_say_which_step_a_rule_may_take(catalogue: Catalogue) -> None:
    for procedure in catalogue.procedures.values():
        for step in procedure.steps:
            assert step.by is kinds.StepBy.PERSON
            assert step.by_said is kinds.Said.NOT_SAID


def test_the_regulations_call_a_process_differently(
    home_education: Procedure, employment_referral: Procedure
) -> None:
    assert home_education.process_word is not None
    assert employment_referral.process_word is not None
    assert home_education.process_word.kk == "үдеріс"
    assert employment_referral.process_word.kk == "процесс"


def test_no_day_of_being_put_into_effect_is_made_up(catalogue: Catalogue) -> None:
    histories = [item.acts for item in catalogue.procedures.values()]
    histories += [item.acts for item in catalogue.deleted_regulations.values()]
    for acts in histories:
        assert all(act.effective == "unknown" for act in acts)
        assert acts[0].in_force == date(2015, 12, 28)
        assert all(act.in_force is None for act in acts[1:])


@pytest.mark.parametrize(
    ("procedure", "edition", "clauses"),
    [
        ("prosthetic-aid", "2016-08-25", {"R2 2", "R2 6", "R2 annex 2", "R2 section 4"}),
        ("home-education", "2016-08-25",
         {"R3 1", "R3 3", "R3 9.1", "R3 9.3", "R3 9.5", "R3 9.8", "R3 9.9", "R3 11.3"}),
        ("employment-referral", "2017-12-12",
         {"R4 1", "R4 3", "R4 3 para 2", "R4 5.2", "R4 8.3", "R4 8.4", "R4 section 4",
          "R4 annex 3"}),
    ],
)  # fmt: skip
def test_the_slips_of_the_text_are_noted(
    catalogue: Catalogue, procedure: str, edition: str, clauses: set[str]
) -> None:
    noted = {note.clause for note in catalogue.procedure(procedure, edition).notes}
    assert clauses <= noted
