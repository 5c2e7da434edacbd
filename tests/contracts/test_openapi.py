"""The services' OpenAPI documents: valid, current, and they name every answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy.local.environment import SERVICES, STAGES
from shared.http.described import PROBLEM_TYPE

PUBLISHED = Path(__file__).parents[2] / "docs" / "contracts"
ALWAYS = {"401", "403", "422", "500", "503"}
WITH_A_BODY = {"408", "413", "415"}


def document(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (PUBLISHED / "openapi" / f"{service}.json").read_text(encoding="utf-8")
    )
    return found


def operations(service: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(service)["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_all_published_documents_are_current(written: Path) -> None:
    fresh = {file.relative_to(written): file.read_bytes() for file in written.rglob("*.json")}
    kept = {file.relative_to(PUBLISHED): file.read_bytes() for file in PUBLISHED.rglob("*.json")}
    changed = [
        str(name) for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name)
    ]
    assert changed == [], "run: make contracts"
    assert len(fresh) > len(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_is_valid(service: str) -> None:
    OpenAPIV31SpecValidator(document(service)).validate()
    assert document(service)["openapi"].startswith("3.1.")


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_names_its_problems_as_problems(service: str) -> None:
    for method, path, operation in operations(service):
        answers = operation["responses"]
        assert answers.keys() >= ALWAYS, (method, path)
        assert (answers.keys() >= WITH_A_BODY) is (method != "get"), (method, path)
        for status, answer in answers.items():
            if status >= "4":
                assert list(answer["content"]) == [PROBLEM_TYPE], (method, path, status)
        assert "Retry-After" in answers["503"]["headers"]
        assert "WWW-Authenticate" in answers["401"]["headers"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_says_what_it_answers_when_it_succeeds(service: str) -> None:
    for method, path, operation in operations(service):
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                schemas = [content.get("schema") for content in answer["content"].values()]
                assert schemas, (method, path, status)
                assert all(schemas), (method, path, status)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_a_sentence_a_name_and_a_token(service: str) -> None:
    names = []
    for method, path, operation in operations(service):
        assert operation.get("description"), (method, path)
        assert operation["security"] == [{"token": []}], (method, path)
        names.append(operation["operationId"])
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("service", STAGES)
def test_what_changes_a_case_may_be_repeated_and_may_wait(service: str) -> None:
    for method, path, operation in operations(service):
        if method == "get" or "{case_id}" not in path or path.endswith("/parked"):
            continue
        inputs = {each["name"] for each in operation["parameters"]}
        assert {"case_id", "Idempotency-Key", "min_position"} <= inputs, path
        assert {"200", "202", "404", "409"} <= operation["responses"].keys(), path
