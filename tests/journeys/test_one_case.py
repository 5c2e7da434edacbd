"""One case from lodging to the issued result, and what any reader of the log sees of it."""

import uuid

from tests.journeys.office import Office, application, raw_records

SPINE = [
    "qyzmet.intake.application-lodged.v1",
    "qyzmet.intake.application-registered.v1",
    "qyzmet.routing.executor-assigned.v1",
    "qyzmet.executor.notification-drafted.v1",
    "qyzmet.signing.notification-signed.v1",
    "qyzmet.notify.result-issued.v1",
]
HEADERS = {
    "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_specversion", "ce_sequence",
    "ce_turn", "ce_actor", "ce_office", "ce_procedure", "ce_synthetic", "ce_correlationid",
    "ce_prevhash", "content-type",
}  # fmt: skip


def test_five_services_carry_a_case_to_its_result(office: Office) -> None:
    assigned = office.to_draft()
    case = assigned["case_id"]
    office.to_end(case, assigned["position"])
    facts = office.facts(case)
    assert [headers["ce_type"] for headers, _ in facts] == SPINE
    assert [headers["ce_turn"] for headers, _ in facts] == ["0", "0", "1", "2", "3", "4"]
    for headers, _ in facts:
        assert headers.keys() >= HEADERS
        assert headers["ce_subject"] == case == headers["ce_correlationid"]
        assert headers["ce_synthetic"] == "true"
        assert headers["ce_procedure"].startswith("home-education@2016-08-25#")
    assert facts[-1][1]["result_number"] == facts[1][1]["registration_number"] + "/1"


def test_a_case_runs_straight_through_by_rule(by_rule: Office) -> None:
    lodged = by_rule.lodge("employment-referral", result_kind="youth-practice")
    case = lodged["case_id"]
    by_rule.until(case, "qyzmet.notify.result-issued.v1")
    facts = by_rule.facts(case)
    assert [headers["ce_type"] for headers, _ in facts] == SPINE
    assert {headers["ce_actor"].partition(":")[0] for headers, _ in facts[2:]} == {"rule"}
    assert facts[-1][1]["result_kind"] == "youth-practice"


def test_nothing_of_the_person_can_be_read_in_the_log(office: Office) -> None:
    body = application("home-education")
    body["applicant"] |= {"surname": "Канареев", "address": "Canary street 17"}
    lodged = office.ok("intake", "POST", "/applications", "saule", body, key=str(uuid.uuid4()))
    case = lodged["case_id"]
    office.ok(
        "intake", "POST", f"/cases/{case}/withdrawal", "saule", {"reason": "canary free text"}
    )
    secrets = [body["applicant"]["iin"], "Канареев", "Canary street", "canary free text"]
    for _, headers, value in raw_records(office.system):
        whole = value + b"".join(content for _, content in headers)
        assert not [secret for secret in secrets if secret.encode() in whole]


def test_a_trace_follows_a_case_through_all_five_services(by_rule: Office) -> None:
    lodged = by_rule.lodge("employment-referral", result_kind="public-works")
    case = lodged["case_id"]
    by_rule.until(case, "qyzmet.notify.result-issued.v1")
    traces = {headers["ce_traceparent"].split("-")[1] for headers, _ in by_rule.facts(case)}
    assert len(traces) == 1
