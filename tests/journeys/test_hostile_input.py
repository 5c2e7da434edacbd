"""Hostile requests to the running services: each is answered by a problem that names what is wrong,
and nothing of it is done: no event told, no key left over."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from shared.http.described import PROBLEM_TYPE
from tests.journeys.office import Office, application

STAGES = ("intake", "routing", "executor", "signing", "notify")
NOBODY = "01956a4e-7c00-7000-8000-00000000dead"
BIDI = "\u202e"


@dataclass(frozen=True)
class Hostile:
    """A request to intake as its office specialist, and what must be said of it."""

    body: object = None
    content: bytes | None = None
    method: str = "POST"
    path: str = "/applications"
    headers: dict[str, str] = field(default_factory=dict)
    service: str = "intake"
    person: str = "saule"
    status: int = 422
    field: str | None = None
    rule: str | None = None
    clause: str | None = None


def home(**more: Any) -> dict[str, Any]:
    return application("home-education", **more)


def of_person(**more: Any) -> dict[str, Any]:
    found = home()
    return {**found, "applicant": {**found["applicant"], **more}}


def raw(old: str, new: str) -> bytes:
    """A sound application as text, with one thing put in its place."""
    text = json.dumps(home(), ensure_ascii=False)
    assert old in text
    return text.replace(old, new, 1).encode("utf-8", "surrogatepass")


def wrong_digit() -> dict[str, Any]:
    iin = home()["applicant"]["iin"]
    return of_person(iin=iin[:-1] + str((int(iin[-1]) + 1) % 10))


SURNAME = '"surname": "Сынақов"'
CASES: dict[str, Callable[[], Hostile]] = {
    # ---- what the law and the papers say
    "a wrong control digit": lambda: Hostile(
        wrong_digit(), field="applicant.iin", rule="the control digit of an IIN"
    ),
    "an IIN with a birth date that does not exist": lambda: Hostile(
        of_person(iin="850230300017"),
        field="applicant.iin",
        rule="an IIN begins with a date of birth",
    ),
    "an IIN in Arabic digits": lambda: Hostile(
        of_person(iin="٨٨٠١٠١٣٠٠٠١٧"), field="applicant.iin", rule="an IIN has twelve digits"
    ),
    "a birth date that does not exist": lambda: Hostile(
        of_person(birth_date="2015-02-30"),
        field="body.applicant.birth_date",
        rule="date_from_datetime_parsing",
    ),
    "a birth date in the future": lambda: Hostile(
        of_person(birth_date="2999-01-01"),
        field="applicant.birth_date",
        rule="an applicant has been born",
    ),
    "a document kind the procedure does not know": lambda: Hostile(
        home(documents=[{"kind": "hunting-licence", "state": "provided"}]),
        field="documents",
        rule="papers are of known kinds, each once",
        clause="R3 5.1",
    ),
    "the same document twice": lambda: Hostile(
        home(documents=[{"kind": "application", "state": "provided"}] * 2),
        field="documents",
        rule="papers are of known kinds, each once",
        clause="R3 5.1",
    ),
    "a deleted procedure": lambda: Hostile(
        {**home(), "procedure": "unemployed-certificate"},
        field="procedure",
        rule="a service is asked for that has a regulation",
        clause="R1 note",
    ),
    "a procedure that never was": lambda: Hostile(
        {**home(), "procedure": "free-money"},
        field="procedure",
        rule="a service is asked for that has a regulation",
    ),
    "a procedure in look-alike letters": lambda: Hostile(
        {**home(), "procedure": "home-educаtion"},
        field="body.procedure",
        rule="string_pattern_mismatch",
    ),
    "a result of another procedure": lambda: Hostile(
        home(result_kind="referral-to-youth-practice"),
        field="result_kind",
        rule="a result of the regulation is asked for",
        clause="R3 3",
    ),
    # ---- text
    "a megabyte of a name": lambda: Hostile(
        of_person(surname="Ы" * 500_000), field="body.applicant.surname", rule="string_too_long"
    ),
    "ten megabytes of text": lambda: Hostile(
        of_person(address="x" * 10_000_000), status=413, rule=None
    ),
    "a null for a name": lambda: Hostile(
        of_person(surname=None), field="body.applicant.surname", rule="string_type"
    ),
    "a name that is nothing": lambda: Hostile(
        of_person(surname=" \t "), field="body.applicant.surname", rule="string_too_short"
    ),
    "a name on two lines": lambda: Hostile(
        of_person(surname="Сын\nақов"),
        field="body.applicant.surname",
        rule="string_pattern_mismatch",
    ),
    "a NUL": lambda: Hostile(
        of_person(surname="Сын\x00ақов"),
        field="body.applicant.surname",
        rule="forbidden_character",
    ),
    "an escape sequence": lambda: Hostile(
        of_person(surname="\x1b[31mСынақов"),
        field="body.applicant.surname",
        rule="forbidden_character",
    ),
    "a name that shows backwards": lambda: Hostile(
        of_person(surname=f"Сын{BIDI}ақов"),
        field="body.applicant.surname",
        rule="forbidden_character",
    ),
    "half a character": lambda: Hostile(
        content=raw(SURNAME, '"surname": "\\ud83d"'),
        field="body.applicant.surname",
        rule="forbidden_character",
    ),
    "a control character in a made-up name": lambda: Hostile(
        of_person(form={"child\x07": "x"}),
        field="body.applicant.form.*",
        rule="forbidden_character",
    ),
    # ---- JSON
    "not JSON": lambda: Hostile(content=b'{"procedure": ', field="body", rule="json_invalid"),
    "not UTF-8": lambda: Hostile(
        content=json.dumps(home(), ensure_ascii=False).encode("cp1251", "replace"),
        field="body",
        rule="not_utf_8",
    ),
    "UTF-16": lambda: Hostile(
        content=json.dumps(home()).encode("utf-16-le"), field="body", rule="json_invalid"
    ),
    "deep JSON": lambda: Hostile(
        content=b"[" * 100_000 + b"]" * 100_000, field="body", rule="nested_too_deeply"
    ),
    "JSON deeper than anything needs": lambda: Hostile(
        content=raw(SURNAME, f'"surname": {"[" * 25}{"]" * 25}'),
        field="body",
        rule="nested_too_deeply",
    ),
    "a name twice in an object": lambda: Hostile(
        content=raw(SURNAME, f'{SURNAME}, "surname": "Басқа"'),
        field="body.surname",
        rule="name_twice",
    ),
    "not a number": lambda: Hostile(
        content=raw(SURNAME, '"surname": NaN'), field="body", rule="json_invalid"
    ),
    "more than any number": lambda: Hostile(
        content=raw(SURNAME, '"surname": -Infinity'), field="body", rule="json_invalid"
    ),
    "a number that ends in infinity": lambda: Hostile(
        content=raw(SURNAME, '"surname": 1e999'), field="body", rule="number_out_of_range"
    ),
    "a huge whole number": lambda: Hostile(
        content=raw(SURNAME, f'"surname": {"9" * 100_000}'),
        field="body",
        rule="number_out_of_range",
    ),
    "a field too many": lambda: Hostile(
        {**home(), "admin": True}, field="body.*", rule="extra_forbidden"
    ),
    # ---- HTTP
    "another content type": lambda: Hostile(
        content=b"<application/>", headers={"Content-Type": "application/xml"}, status=415
    ),
    "another encoding": lambda: Hostile(
        content=b"{}", headers={"Content-Type": "application/json; charset=utf-16"}, status=415
    ),
    "no key for a repeat": lambda: Hostile(
        home(), headers={"Idempotency-Key": ""}, field="header.Idempotency-Key"
    ),
    "a key that is no text": lambda: Hostile(
        home(),
        headers={"Idempotency-Key": "ключ"},
        field="header.Idempotency-Key",
        rule="string_pattern_mismatch",
    ),
    "a path out of the folder": lambda: Hostile(
        {"kind": "application", "state": "provided"},
        path="/cases/..%2f..%2fetc%2fpasswd/papers",
        status=404,
    ),
    "dots for a case": lambda: Hostile(
        {"kind": "application", "state": "provided"},
        path="/cases/%2e%2e/papers",
        status=422,
        field="path.case_id",
        rule="uuid_parsing",
    ),
    "bytes for a case": lambda: Hostile(
        {"kind": "application", "state": "provided"},
        path="/cases/%ff%00/papers",
        field="path.case_id",
        rule="uuid_parsing",
    ),
    "a case that is not there": lambda: Hostile(
        {"kind": "application", "state": "provided"},
        path=f"/cases/{NOBODY}/papers",
        status=404,
        rule="a command needs its case",
    ),
    "a partition that is not there": lambda: Hostile(
        {"kind": "application", "state": "provided"},
        path=f"/cases/{NOBODY}/papers?min_position=99999:1",
        field="min_position",
        rule="a position has a partition and an offset",
    ),
    "a position with words": lambda: Hostile(
        {"kind": "application", "state": "provided"},
        path=f"/cases/{NOBODY}/papers?min_position=;drop",
        field="min_position",
        rule="a position has a partition and an offset",
    ),
    "an offset beyond all": lambda: Hostile(
        {"how": "skip", "reason": "x", "partition": 10**9, "offset": 10**18},
        path=f"/cases/{NOBODY}/parked",
        person="timur",
        field="body.partition",
        rule="less_than_equal",
    ),
    # ---- other services
    "a fact without an end": lambda: Hostile(
        {"outcome": "granted", "text": "x", "facts": {"x": "y" * 21_000}},
        service="executor",
        method="PUT",
        path=f"/cases/{NOBODY}/draft",
        person="aigul",
        field="body.facts.*",
        rule="string_too_long",
    ),
    "a text that shows backwards to who signs": lambda: Hostile(
        {"outcome": "granted", "text": f"Жәрдемақы {BIDI}тағайындалды"},
        service="executor",
        method="PUT",
        path=f"/cases/{NOBODY}/draft",
        person="aigul",
        field="body.text",
        rule="forbidden_character",
    ),
    "a hundred thousand roles": lambda: Hostile(
        {"office": "astana-main", "full_name": "X", "roles": ["head"] * 100_000},
        service="routing",
        method="PUT",
        path="/staff/somebody",
        person="admin",
        field="body.roles",
        rule="too_long",
    ),
    "an absence that ends before it begins": lambda: Hostile(
        {"first_day": "2026-03-02", "last_day": "2026-03-01", "reason": "leave"},
        service="routing",
        path="/staff/astana-main-aigul/absences",
        person="admin",
        field="last_day",
    ),
    "a NUL in a question": lambda: Hostile(
        service="casebook",
        method="GET",
        path="/queues/to-draft?executor=%00",
        person="head",
        field="query.executor",
        rule="string_pattern_mismatch",
    ),
    "a list that goes on before all time": lambda: Hostile(
        service="casebook",
        method="GET",
        # 0001-01-01T00:00:00+14:00 and a case id
        path="/queues/to-draft?after=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMCAwMTk1NmE0ZS03YzAwLTcwMDAtODAwMC0wMDAwMDAwMGRlYWQ",
        person="head",
        field="after",
    ),
}


@pytest.fixture(autouse=True)
def _nothing_is_done(office: Office) -> Iterator[None]:
    """No stage has told anything, no case has got a key."""
    before = recorded(office)
    yield
    assert recorded(office) == before


def recorded(office: Office) -> dict[str, str]:
    found = {
        stage: office.query(f"SELECT coalesce(max(position), 0) FROM {stage}.journal")
        for stage in STAGES
    }
    keys = office.system.postgres.query("SELECT count(*) FROM case_keys", "privacy")
    return {**found, "keys": keys}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_request_is_answered_by_what_is_wrong_with_it(office: Office, name: str) -> None:
    case = CASES[name]()
    content = case.content
    if content is None and case.body is not None:
        content = json.dumps(case.body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    headers: dict[bytes, bytes] = {
        b"Authorization": f"Bearer {office.token(case.person)}".encode(),
        b"Content-Type": b"application/json",
        b"Idempotency-Key": str(uuid4()).encode(),
        **{name.encode(): value.encode() for name, value in case.headers.items()},
    }
    url = office.system.environment.url(case.service) + case.path
    answer = office.client.request(case.method, url, content=content, headers=headers)
    assert answer.status_code == case.status, answer.text
    assert answer.headers["content-type"] == PROBLEM_TYPE
    said = answer.json()
    assert said["status"] == case.status
    errors = said.get("errors", [said])
    if case.field is not None:
        assert case.field in [error.get("field") for error in errors], said
    if case.rule is not None:
        assert case.rule in [error.get("rule") for error in errors], said
    if case.clause is not None:
        assert said["clause"] == case.clause
    if case.service == "intake" and case.status == 422:
        assert "Сынақов" not in answer.text


def test_a_token_in_the_address_is_no_token(office: Office) -> None:
    token = office.token("saule")
    url = office.system.environment.url("intake") + f"/applications?access_token={token}"
    answer = office.client.post(url, json=home(), headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/unauthorized"
    assert token not in answer.text
    logs = (office.system.folder / "logs").rglob("*")
    assert not any(token in file.read_text("utf-8") for file in logs if file.is_file())


def test_what_is_wrong_with_one_of_a_batch_is_said_of_that_one(office: Office) -> None:
    items = [
        {"key": "a", "application": wrong_digit()},
        {"key": "b", "application": of_person(surname="\t")},
        {"key": "c", "application": {**home(), "procedure": "unemployed-certificate"}},
        {"key": "d"},
    ]
    answer = office.ask("intake", "POST", "/applications/batch", "saule", {"applications": items})
    assert answer.status_code == 200
    found = [(each["status"], each["field"]) for each in answer.json()["answers"]]
    assert found == [
        (422, "applicant.iin"),
        (422, "application.applicant.surname"),
        (422, "procedure"),
        (422, "application"),
    ]
    assert answer.json()["answers"][2]["clause"] == "R1 note"


# ---- below HTTP's own rules ---------------------------------------------------------------------


def exchange(office: Office, request: bytes) -> bytes:
    """Send these bytes to intake; all that comes back until it closes or is silent."""
    place = urlsplit(office.system.environment.url("intake"))
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 10) as link:
        link.settimeout(3)
        found = b""
        try:
            link.sendall(request)
            while part := link.recv(65_536):
                found += part
        except (TimeoutError, ConnectionError):
            pass  # it is what came until then that counts
        return found


def post(*headers: bytes, body: bytes = b"") -> bytes:
    lines = (b"POST /applications HTTP/1.1", b"Host: intake", b"Connection: close", *headers)
    return b"\r\n".join((*lines, b"", body))


def test_a_chunked_body_over_the_limit_is_cut_off(office: Office) -> None:
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = post(b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    answer = exchange(office, head + chunk * 3)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert PROBLEM_TYPE.encode() in answer


def test_two_lengths_are_not_taken(office: Office) -> None:
    both = post(b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    assert exchange(office, both).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("count", [500, 50_000])
def test_many_headers_are_answered(office: Office, count: int) -> None:
    headers = [b"X-%d: %s" % (number, b"y" * 30) for number in range(count)]
    answer = exchange(office, post(*headers, b"Content-Length: 0"))
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]


@pytest.mark.parametrize(
    "request_line",
    [b"GET /\xff\xfe HTTP/1.1", b"BREW /cases HTTP/1.1", b"GET /cases", b"\x16\x03\x01\x02"],
)
def test_what_is_hardly_http_is_refused_and_harms_nobody(
    office: Office, request_line: bytes
) -> None:
    answer = exchange(office, request_line + b"\r\nHost: intake\r\nConnection: close\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    alive = office.client.get(office.system.environment.url("intake") + "/health/live")
    assert alive.status_code == 200
