"""Every error has its answer, and none repeats what the request said."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from joserfc.jwk import KeySet, OKPKey
from pydantic import BaseModel, ConfigDict, field_validator
from starlette.responses import StreamingResponse

from shared.errors import Because, Conflict, Refused, Unavailable
from shared.events.intake import Applicant
from shared.http.application import Admission, Probes, create_app
from shared.http.idempotency import OptionalKey, RequiredKey, idempotency_key
from shared.http.limits import BodyLimits
from shared.http.positions import LogPosition, MinPosition
from shared.http.problems import Missing
from shared.http.tokens import TokenKeys
from shared.identifiers import CaseId
from shared.observability.logging import configure_logging

IIN = "880101300017"
ERRORS: dict[str, Exception] = {
    "input": Refused(
        "a document is listed",
        expected="a kind of the edition",
        found="another",
        because=Because.INPUT,
        field="documents",
    ),
    "actor": Refused(
        "the head assigns", expected="head", found="nobody", because=Because.ACTOR, clause="R2 5.2"
    ),
    "state": Refused("an executor is named once", expected="none yet", found="one"),
    "conflict": Conflict(f"case of {IIN}"),
    "unavailable": Unavailable("the journal", retry_after_s=7),
    "missing": Missing("no such case"),
    "bug": KeyError(IIN),
}


class Lodging(BaseModel):
    model_config = ConfigDict(extra="forbid")

    iin: str
    applicant: Applicant

    @field_validator("iin")
    @classmethod
    def checked(cls, value: str) -> str:
        if value.endswith("7"):
            raise ValueError(f"{value} has a wrong control digit")
        return value


router = APIRouter()


@router.get("/errors/{name}")
async def fail(name: str) -> None:
    raise ERRORS[name]


@router.post("/lodgings/{case_id}")
async def lodge(case_id: CaseId, body: Lodging, key: RequiredKey, count: int = 0) -> str:
    return key


@router.post("/notes")
async def note(body: dict[str, str], key: OptionalKey = None) -> str | None:
    return key


@router.post("/batches")
async def batch(body: list[str]) -> int:
    return len(body)


@router.get("/cases")
async def cases(min_position: MinPosition) -> str:
    return repr(min_position)


@router.get("/broken-stream")
async def broken_stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError(IIN)

    return StreamingResponse(parts())


async def unwell() -> None:
    raise Unavailable("Kafka is down")


async def well() -> None:
    return None


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handlers = logging.root.handlers[:]
    configure_logging("test", replica="1", stream=stream)
    yield stream
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
async def client(tmp_path: Path, log: io.StringIO) -> AsyncIterator[httpx.AsyncClient]:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "a"})
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    limits = BodyLimits(bytes_max=1_000, routes={"/batches": 5_000}, wait_s=0.2)
    app = create_app(
        title="test",
        version="1",
        lifespan=lifespan,
        routers=[router],
        probes=Probes(live={"loop": well}, ready={"kafka": unwell, "database": well}),
        admission=Admission(TokenKeys(path), limits),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("input", 422, "refused"),
        ("actor", 403, "refused"),
        ("state", 409, "refused"),
        ("conflict", 409, "conflict"),
        ("unavailable", 503, "unavailable"),
        ("missing", 404, "missing"),
        ("bug", 500, "unexpected"),
    ],
)
async def test_each_error_has_its_answer(
    client: httpx.AsyncClient, name: str, status: int, kind: str
) -> None:
    answer = await client.get(f"/errors/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{kind}"
    assert answer.json()["status"] == status
    assert IIN not in answer.text


async def test_a_refusal_names_its_rule_and_clause(client: httpx.AsyncClient) -> None:
    body = (await client.get("/errors/actor")).json()
    assert (body["rule"], body["expected"], body["found"]) == ("the head assigns", "head", "nobody")
    assert body["clause"] == "R2 5.2"
    assert "field" not in body
    assert (await client.get("/errors/input")).json()["field"] == "documents"


async def test_a_conflict_says_decide_again(client: httpx.AsyncClient) -> None:
    assert "decide again" in (await client.get("/errors/conflict")).json()["title"]


async def test_unavailable_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/errors/unavailable")
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["detail"] == "the journal"


async def test_a_bug_is_logged_under_the_id_that_the_client_gets(
    client: httpx.AsyncClient, log: io.StringIO
) -> None:
    answer = await client.get("/errors/bug")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (line,) = [line for line in lines if line["event"] == "request_failed"]
    assert line["error_id"] == answer.json()["error_id"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["faults"][0]["type"] == "builtins.KeyError"
    assert any("test_http_problems" in frame for frame in line["faults"][0]["stack"])
    assert IIN not in log.getvalue()


async def test_half_an_answer_ends_in_a_broken_connection(
    client: httpx.AsyncClient, log: io.StringIO
) -> None:
    with pytest.raises(KeyError):
        await client.get("/broken-stream")
    assert "request_failed" in log.getvalue()
    assert IIN not in log.getvalue()


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    unknown = await client.get(f"/nothing/{IIN}")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/not-found")
    wrong = await client.delete("/notes")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "/problems/method-not-allowed")
    assert wrong.headers["allow"] == "POST"
    assert IIN not in unknown.text


async def test_every_wrong_field_is_listed_and_no_value(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        f"/lodgings/{IIN}?count={IIN}x",
        json={
            "iin": IIN,
            IIN: IIN,
            "applicant": {
                "iin": int(IIN),
                "surname": None,
                "birth_date": IIN,
                "language": IIN,
                "form": {f"child {IIN}": 5, "Ivanova": 6},
            },
        },
        headers={"Idempotency-Key": f"{IIN} "},
    )
    assert answer.status_code == 422
    body = answer.json()
    assert body["type"] == "/problems/invalid-request"
    rules = {(error["field"], error["rule"]) for error in body["errors"]}
    assert rules >= {
        ("path.case_id", "uuid_parsing"),
        ("query.count", "int_parsing"),
        ("body.iin", "value_error"),
        ("body.*", "extra_forbidden"),
        ("body.applicant.iin", "string_type"),
        ("body.applicant.given_name", "missing"),
        ("body.applicant.birth_date", "date_from_datetime_inexact"),
        ("body.applicant.language", "literal_error"),
        ("body.applicant.form.*", "string_type"),
    }
    assert IIN not in answer.text
    assert "Ivanova" not in answer.text


async def test_broken_json_is_not_repeated(client: httpx.AsyncClient) -> None:
    for body in (f'{{"iin": {IIN}', f'"{IIN}"', f"{IIN}"):
        answer = await client.post(
            "/notes", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert IIN not in answer.text


async def test_bytes_that_are_no_text_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/notes", content=b'{"a": "\xff\xfe"}', headers={"Content-Type": "application/json"}
    )
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_that_says_it_is_too_large_is_not_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/notes", json={"text": IIN * 1_000})
    assert answer.status_code == 413
    assert answer.json()["bytes_max"] == 1_000
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert IIN not in answer.text


async def test_a_body_without_length_is_stopped_on_the_way(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 400

    answer = await client.post(
        "/notes", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert sent == 3


async def test_a_body_that_comes_too_slowly_is_given_up(client: httpx.AsyncClient) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(1)
        yield b"}"

    answer = await client.post(
        "/notes", content=slow(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 408
    assert answer.json()["type"] == "/problems/body-too-slow"
    assert answer.headers["connection"] == "close"


async def test_json_that_nobody_should_send_is_a_problem_of_its_field(
    client: httpx.AsyncClient,
) -> None:
    for body, field, rule in (
        (rb'{"iin": "\u0000"}', "body.iin", "forbidden_character"),
        (f'{{"{IIN}": "\u202e"}}'.encode(), "body.*", "forbidden_character"),
        (f'{{"{IIN}": 1, "{IIN}": 1}}'.encode(), "body.*", "name_twice"),
        (b"[" * 1_000, "body", "nested_too_deeply"),
        (rb'{"iin": "\xff"}', "body", "json_invalid"),
    ):
        answer = await client.post(
            "/notes", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/invalid-request"
        (error,) = answer.json()["errors"]
        assert (error["field"], error["rule"]) == (field, rule)
        assert IIN not in answer.text


async def test_a_path_is_not_put_right_by_a_redirect(client: httpx.AsyncClient) -> None:
    answer = await client.get("/cases/")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_a_batch_may_be_larger(client: httpx.AsyncClient) -> None:
    assert (await client.post("/batches", json=["a" * 100] * 30)).json() == 30
    assert (await client.post("/batches", json=["a" * 100] * 60)).status_code == 413


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        ("application/json; charset=windows-1251", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
async def test_only_json_is_taken(
    client: httpx.AsyncClient, content_type: str, status: int
) -> None:
    answer = await client.post("/notes", content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == status


async def test_a_body_that_does_not_say_what_it_is_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/notes", content=b"{}")).status_code == 415


async def test_the_key_of_a_request_is_visible_ascii(client: httpx.AsyncClient) -> None:
    for key, status in (("k-1", 200), ("a" * 200, 200), ("a" * 201, 422), ("a b", 422)):
        answer = await client.post("/notes", json={}, headers={"Idempotency-Key": key})
        assert answer.status_code == status
    assert (await client.post("/notes", json={})).json() is None


async def test_lodging_needs_a_key(client: httpx.AsyncClient) -> None:
    answer = await client.post("/lodgings/x", json={})
    fields = {error["field"]: error["rule"] for error in answer.json()["errors"]}
    assert fields["header.Idempotency-Key"] == "missing"


def test_the_same_key_for_another_body_has_the_same_first_half() -> None:
    first = idempotency_key("staff:aigul", "/cases", "k", b"{}")
    other_body = idempotency_key("staff:aigul", "/cases", "k", b"{ }")
    other_actor = idempotency_key("staff:bolat", "/cases", "k", b"{}")
    assert first.split(":")[0] == other_body.split(":")[0]
    assert first.split(":")[1] != other_body.split(":")[1]
    assert first.split(":")[0] != other_actor.split(":")[0]
    assert len(first) == 129


async def test_a_position_is_partition_and_offset(client: httpx.AsyncClient) -> None:
    assert (await client.get("/cases")).json() == "None"
    answer = await client.get("/cases", params={"min_position": "3:12345678901"})
    assert answer.json() == repr(LogPosition(3, 12345678901))
    assert str(LogPosition(3, 17)) == "3:17"
    for wrong in ("3", "3:", ":5", "-1:5", "3:5:7", "٣:٥", IIN * 3):
        answer = await client.get("/cases", params={"min_position": wrong})
        assert answer.status_code == 422
        assert answer.json()["field"] == "min_position"
        assert wrong == "3" or wrong not in answer.text


async def test_health_names_what_is_unwell_and_why(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).status_code == 200
    ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["failing"] == ["kafka"]
    assert ready.json()["detail"] == "Kafka is down"


async def test_metrics_count_by_pattern_and_never_by_path(client: httpx.AsyncClient) -> None:
    await client.get("/errors/state")
    await client.get(f"/nothing/{IIN}")
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'route="/errors/{name}",status="409"' in answer.text
    assert 'route="none",status="404"' in answer.text
    assert IIN not in answer.text


async def test_every_answer_has_safe_headers_and_its_id(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers["x-request-id"]) == 36


async def test_the_description_is_there_and_loads_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    described = (await client.get("/openapi.json")).json()
    problem = described["paths"]["/notes"]["post"]["responses"]["422"]
    assert list(problem["content"]) == ["application/problem+json"]
    assert "/metrics" not in described["paths"]
    for page in ("/docs", "/redoc"):
        assert (await client.get(page)).status_code == 404
