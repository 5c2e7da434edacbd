"""What a process tells about itself: useful, one line each, and never a person."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ValidationError

from shared.events.intake import Applicant
from shared.http.application import Admission, Probes, create_app
from shared.http.tokens import TokenKeys
from shared.observability import metrics
from shared.observability.faults import described
from shared.observability.logging import PERSONAL, PERSONAL_KEYS, configure_logging
from shared.observability.tracing import (
    configure_tracing,
    current_traceparent,
    is_tracing,
    span,
    stop_tracing,
)

IIN = "880101300017"
SURNAME = "Qanarbekova"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

log = structlog.get_logger()


class Log:
    """What was logged, as lines of JSON."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written() -> Iterator[Log]:
    found = Log()
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logging("intake", replica="intake-2", stream=found.stream)
    yield found
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "traces" / "spans.jsonl"
    configure_tracing("intake", replica="1", traces=f"file:{path}", ratio=1.0)
    yield path
    stop_tracing()


def text_of(path: Path) -> str:
    return path.read_text()


def read_spans(path: Path) -> dict[str, dict[str, Any]]:
    stop_tracing()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {each["name"]: each for each in found}


def test_a_line_says_which_process_speaks(written: Log) -> None:
    case_id = uuid4()
    log.info("batch_applied", records=7, case=case_id, took_s=0.25, done=True, none=None)
    (line,) = written.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch_applied",
        "level": "info",
        "service": "intake",
        "replica": "intake-2",
        "records": 7,
        "case": str(case_id),
        "took_s": 0.25,
        "done": True,
        "none": None,
    }


def test_below_its_level_nothing_is_written(written: Log) -> None:
    log.debug("too_much")
    logging.getLogger("library").debug("too much")
    logging.getLogger("httpx").info("HTTP Request: GET http://registry/persons/%s", IIN)
    assert written.text == ""


def test_libraries_speak_the_same_way(written: Log) -> None:
    logging.getLogger("asyncio").warning("a task of %s was lost", IIN)
    (line,) = written.lines
    assert (line["logger"], line["level"], line["service"]) == ("asyncio", "warning", "intake")
    assert line["event"] == f"a task of {PERSONAL} was lost"


@pytest.mark.parametrize("key", sorted(PERSONAL_KEYS))
def test_a_personal_key_is_replaced_wherever_it_stands(written: Log, key: str) -> None:
    log.info("careless", **{key: SURNAME})
    log.info("careless", application={"parts": [{key.upper(): SURNAME}]})
    assert SURNAME not in written.text
    assert written.lines[0][key] == PERSONAL


def test_what_looks_like_an_iin_is_replaced(written: Log) -> None:
    log.info("careless", found=IIN, number=int(IIN), several=[f"of {IIN}."], **{"in": {"a": IIN}})
    name_with_a_number = f"careless {IIN}"
    log.info(name_with_a_number)
    log.info("careful", case="019ab2c4-1111-7000-8000-880101300017", at_ms=1_767_225_600_000)
    assert IIN not in "".join(written.text.splitlines()[:2])
    assert "880101300017" in written.text.splitlines()[2]
    assert written.lines[2]["at_ms"] == 1_767_225_600_000


def test_very_deep_and_very_long_things_are_cut(written: Log) -> None:
    deep: dict[str, Any] = {"surname": SURNAME}
    for _ in range(4):
        deep = {"inner": deep}
    log.info("deep", text_of_it="a" * 100_000, inner=deep)
    assert SURNAME not in written.text
    assert len(written.text) < 5_000


def test_an_exception_shows_types_and_places_but_no_values(written: Log) -> None:
    class Person(BaseModel):
        born: int

    surname_of_a_local = SURNAME
    try:
        try:
            Person.model_validate({"born": surname_of_a_local})
        except ValidationError as error:
            raise KeyError(IIN) from error
    except KeyError:
        log.exception("lookup_failed")
    (line,) = written.lines
    assert [fault["type"] for fault in line["faults"]] == [
        "builtins.KeyError",
        "pydantic_core._pydantic_core.ValidationError",
    ]
    assert any("test_observability.py" in frame for frame in line["faults"][0]["stack"])
    assert SURNAME not in written.text
    assert IIN not in written.text


def test_the_messages_of_machines_are_shown() -> None:
    (fault,) = described(ConnectionRefusedError(111, "Connection refused"))
    assert "Connection refused" in str(fault["message"])
    assert "message" not in described(ValueError(SURNAME))[0]
    assert "message" not in described(AssertionError(SURNAME))[0]


def test_the_members_of_a_group_are_shown() -> None:
    group = ExceptionGroup("several", [ValueError(SURNAME), OSError("gone")])
    types = [fault["type"] for fault in described(group)]
    assert types == ["builtins.ExceptionGroup", "builtins.ValueError", "builtins.OSError"]
    assert SURNAME not in str(described(group))


def test_exceptions_of_libraries_and_warnings_come_the_same_way(written: Log) -> None:
    try:
        int(SURNAME)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("something is deprecated", stacklevel=1)
    assert written.lines[0]["faults"][0]["type"] == "builtins.ValueError"
    assert written.lines[1]["logger"] == "py.warnings"
    assert SURNAME not in written.text


def test_without_an_exporter_there_are_no_spans() -> None:
    stop_tracing()
    with span("work", parent=PARENT, attributes={"n": 1}) as running:
        running.set_attribute("more", 2)
        assert current_traceparent() is None
    assert not is_tracing()


def test_a_span_continues_its_parent(spans: Path, written: Log) -> None:
    with span("outer", parent=PARENT), span("inner", attributes={"records": 3}):
        traceparent = current_traceparent()
        log.info("inside")
    assert traceparent is not None
    assert traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert written.lines[0]["trace"] == "0af7651916cd43dd8448eb211c80319c"
    found = read_spans(spans)
    assert found["outer"]["parent_id"] == "0xb7ad6b7169203331"
    assert found["inner"]["parent_id"] == found["outer"]["context"]["span_id"]
    assert found["inner"]["attributes"] == {"records": 3}
    assert found["inner"]["resource"]["attributes"]["service.name"] == "intake"


def test_a_batch_links_the_traces_it_gathers(spans: Path) -> None:
    with span("batch", links=[PARENT, "nonsense", UNSAMPLED]):
        pass
    links = read_spans(spans)["batch"]["links"]
    assert [link["context"]["span_id"] for link in links] == ["0xb7ad6b7169203331"] * 2


@pytest.mark.parametrize(
    "parent", ["", "nonsense", PARENT[:-1], PARENT.upper(), "00-" + "0" * 32 + PARENT[35:], IIN]
)
def test_a_traceparent_that_is_none_is_ignored(spans: Path, parent: str) -> None:
    with span("work", parent=parent):
        pass
    assert read_spans(spans)["work"]["parent_id"] is None


def test_who_did_not_sample_is_followed(spans: Path) -> None:
    with span("work", parent=UNSAMPLED):
        assert str(current_traceparent()).endswith("-00")
    assert read_spans(spans) == {}


def test_of_new_traces_the_given_share_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "spans.jsonl"
    configure_tracing("intake", replica="1", traces=f"file:{path}", ratio=0.0)
    with span("dropped"):
        pass
    with span("kept", parent=PARENT):
        pass
    assert set(read_spans(path)) == {"kept"}


def test_an_error_marks_its_span_by_type_only(spans: Path) -> None:
    with pytest.raises(KeyError), span("work"):
        raise KeyError(IIN)
    found = read_spans(spans)["work"]
    assert found["status"] == {"status_code": "ERROR", "description": "KeyError"}
    assert IIN not in spans.read_text()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


router = APIRouter()


@router.post("/applications/{name}")
async def apply(name: str, applicant: Applicant) -> str | None:
    return current_traceparent()


@router.get("/bug/{name}")
async def bug(name: str) -> None:
    raise ValueError(name)


def application(folder: Path) -> FastAPI:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "a"})
    (folder / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    return create_app(
        title="test",
        version="1",
        lifespan=lifespan,
        routers=[router],
        probes=Probes(),
        admission=Admission(TokenKeys(folder / "keys.json")),
    )


async def test_a_request_is_one_span_and_leaves_no_person_anywhere(
    tmp_path: Path, spans: Path, written: Log
) -> None:
    transport = httpx.ASGITransport(application(tmp_path))
    person = {"iin": IIN, "surname": SURNAME, "given_name": "A"}
    headers = {"traceparent": PARENT, "x-request-id": IIN}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(f"/applications/{SURNAME}?q={IIN}", json=person, headers=headers)
        await client.post(f"/applications/{SURNAME}", json={**person, "phone": 7})
        await client.get(f"/bug/{SURNAME}")
        await client.get(f"/{IIN}")
        await client.get("/health/live")
    assert answer.json().startswith("00-0af7651916cd43dd8448eb211c80319c-")
    found = read_spans(spans)
    assert set(found) == {"POST /applications/{name}", "GET /bug/{name}", "GET none"}
    request = found["GET /bug/{name}"]
    assert request["kind"] == "SpanKind.SERVER"
    assert request["attributes"]["http.response.status_code"] == 500
    (line,) = [line for line in written.lines if line["event"] == "request_failed"]
    assert line["trace"] == request["context"]["trace_id"].removeprefix("0x")
    scraped = metrics.exposition()[0].decode()
    for text in (text_of(spans), written.text, scraped):
        assert IIN not in text
        assert SURNAME not in text


async def test_requests_at_the_same_time_keep_their_ids_apart(tmp_path: Path, written: Log) -> None:
    app = application(tmp_path)

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(0.01)
        log.info("inside")

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = await asyncio.gather(*(client.get("/slow") for _ in range(5)))
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 5
    assert {line["request_id"] for line in written.lines} == ids
