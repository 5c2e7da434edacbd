"""Every operation of every service's document, asked with made-up requests: what comes back is in
the document.

The same examples each time; `make fuzz` takes others, and more of them.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as some
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.local.environment import SERVICES
from shared.http.described import PROBLEM_TYPE
from shared.identifiers import Role
from tests.journeys.office import Office, application

PUBLISHED = Path(__file__).parents[2] / "docs" / "contracts" / "openapi"
EXAMPLES = int(os.environ.get("QYZMET_FUZZ_EXAMPLES", "20"))
SEED = 158_2150 if "QYZMET_FUZZ_EXAMPLES" not in os.environ else None
ENDLESS = "GET /feed"
"""A stream that does not end; tests/services/test_casebook_http.py reads it."""
CHECKED = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def operations() -> Iterator[Any]:
    for service in SERVICES:
        document = json.loads((PUBLISHED / f"{service}.json").read_text(encoding="utf-8"))
        for methods in document["paths"].values():
            for operation in methods.values():
                del operation["security"]  # who asks is chosen here, not made up
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            assert isinstance(found, Ok), found
            asked = found.ok()
            if asked.label != ENDLESS:
                yield pytest.param(service, asked, id=f"{service} {asked.label}")


@pytest.fixture(scope="session")
def cases(office: Office, tokens: dict[str, str | None]) -> list[str]:
    """Real cases: one just lodged, one that somebody with every role is to draft."""
    assert tokens["everybody"]
    lodged = [office.lodge("home-education")["case_id"] for _ in range(2)]
    registered = office.ok("intake", "PUT", f"/cases/{lodged[1]}/registration", "saule")
    office.ok(
        "routing",
        "PUT",
        f"/cases/{lodged[1]}/executor",
        "head",
        {"executor": office.staff("everybody")},
        least=registered["position"],
    )
    return lodged


@pytest.fixture(scope="session")
def tokens(office: Office) -> dict[str, str | None]:
    """Of somebody who has every role, of somebody whom the directory does not know, of nobody."""
    roles = [role.value for role in Role]
    member = {"office": office.name, "roles": roles, "full_name": "Synthetic everybody"}
    office.ok("routing", "PUT", f"/staff/{office.staff('everybody')}", "admin", member)
    office.until_read("department-events")
    return {
        "everybody": office.token("everybody", roles),
        "stranger": office.token("stranger", roles),
        "nobody": None,
        "forged": f"{office.token('everybody', roles)[:-8]}AAAAAAAA",
    }


@pytest.mark.parametrize("service", SERVICES)
def test_the_served_document_is_the_published_one(office: Office, service: str) -> None:
    served = office.client.get(office.system.environment.url(service) + "/openapi.json").json()
    assert served == json.loads((PUBLISHED / f"{service}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("service", "operation"), list(operations()))
@pytest.mark.timeout(3_600)
def test_what_comes_back_is_in_the_document(
    office: Office, cases: list[str], tokens: dict[str, str | None], service: str, operation: Any
) -> None:
    base_url = office.system.environment.url(service)
    whose = some.sampled_from(["everybody"] * 7 + ["stranger", "nobody", "forged"])
    made_up = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=made_up | wrong, case_id=some.none() | some.sampled_from(cases), who=whose)
    def ask(case: Any, case_id: str | None, who: str) -> None:
        if case_id is not None:
            if "case_id" in (case.path_parameters or {}):
                case.path_parameters["case_id"] = case_id
            make_sound(case.body)
        token = tokens[who]
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        with requests.Session() as session:
            session.trust_env = False
            answer = case.call(base_url=base_url, headers=headers, session=session, timeout=20)
        case.validate_response(answer, checks=CHECKED)
        judge(answer, is_known=who in ("everybody", "stranger"))

    (ask if SEED is None else seed(SEED)(ask))()


def make_sound(body: Any) -> None:
    """Of an application, what no made-up one gets right: a person, a service, a way to be told."""
    if isinstance(body, dict) and isinstance(body.get("applicant"), dict):
        sound = application("home-education")
        body["applicant"]["iin"] = sound["applicant"]["iin"]
        body |= {name: sound[name] for name in ("procedure", "documents")}
        for name in ("result_kind", "notice", "channel"):
            body.pop(name, None)


def judge(answer: Any, *, is_known: bool) -> None:
    """No bug, and every problem says what it is."""
    status, headers = answer.status_code, {name.lower(): v for name, v in answer.headers.items()}
    said = f"{answer.request.url}: {answer.text}"
    assert status < 500 or (status == 503 and "retry-after" in headers), said
    # What a body may be is asked before who sends it.
    assert status != 401 if is_known else status >= 400, answer.text
    if status >= 400:
        assert headers["content-type"] == [PROBLEM_TYPE]
        said = answer.json()
        assert said["status"] == status
        assert said["type"].startswith("/problems/")
        if said["type"] == "/problems/refused":
            assert {"because", "rule", "expected", "found"} <= said.keys()
