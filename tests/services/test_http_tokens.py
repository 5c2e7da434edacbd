"""Tokens: only what our issuer signed, as it signed it, for as long as it said."""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, FastAPI

from shared.http.application import Admission, Probes, create_app
from shared.http.problems import BadToken
from shared.http.tokens import BadTokenKeys, Caller, TokenKeys, caller, issue
from shared.identifiers import Role

Json = dict[str, object]


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def new_jwk(kid: str) -> dict[str, str]:
    key = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    public = key.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    private = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": kid,
        "x": encoded(public),
        "d": encoded(private),
    }


def public(jwk: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in jwk.items() if name != "d"}


OURS = new_jwk("ours")
THEIRS = new_jwk("theirs")


def signed(header: Json, claims: Json, jwk: dict[str, str] = OURS) -> str:
    """A token made by hand: whatever a forger could make."""
    text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    secret = base64.urlsafe_b64decode(jwk["d"] + "=")
    signature = Ed25519PrivateKey.from_private_bytes(secret).sign(text.encode())
    return f"{text}.{encoded(signature)}"


def good(**changed: object) -> Json:
    now = int(time.time())
    claims: Json = {
        "iss": "qyzmet",
        "aud": "qyzmet",
        "sub": "aigul",
        "office": "almaty",
        "roles": ["head"],
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


HEADER: Json = {"alg": "EdDSA", "kid": "ours", "typ": "JWT"}


@pytest.fixture
def keys(tmp_path: Path) -> TokenKeys:
    path = tmp_path / "token-keys.json"
    path.write_text(json.dumps({"keys": [public(OURS)]}))
    return TokenKeys(path)


def test_a_good_token_names_its_caller(keys: TokenKeys) -> None:
    expected = Caller("aigul", "almaty", frozenset({Role.HEAD}))
    for token in (
        signed(HEADER, good()),
        signed(HEADER, good(aud=["other", "qyzmet"], extra="x")),
        issue(OURS, staff="aigul", office="almaty", roles=[Role.HEAD]),
    ):
        assert keys.caller(token) == expected
        assert keys.caller(token) == expected
    assert expected.actor == "staff:aigul"


def hs256(claims: Json) -> str:
    """The classic confusion: the public key taken for a shared secret."""
    header = {"alg": "HS256", "kid": "ours"}
    text = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    mac = hmac.digest(base64.urlsafe_b64decode(OURS["x"] + "="), text.encode(), hashlib.sha256)
    return f"{text}.{encoded(mac)}"


NOW = int(time.time())
BAD: dict[str, str] = {
    "nothing": "",
    "noise": "a.b.c",
    "not even dots": "noise-without-dots",
    "another key under our id": signed(HEADER, good(), THEIRS),
    "an unknown key": signed({**HEADER, "kid": "theirs"}, good(), THEIRS),
    "no key id": signed({"alg": "EdDSA"}, good()),
    "a key id that is no text": signed({"alg": "EdDSA", "kid": ["ours"]}, good()),
    "its own key along": signed(
        {"alg": "EdDSA", "kid": "theirs", "jwk": public(THEIRS)}, good(), THEIRS
    ),
    "no algorithm": signed({"kid": "ours"}, good()),
    "algorithm none": signed({"alg": "none", "kid": "ours"}, good()),
    "algorithm none, unsigned": signed({"alg": "none", "kid": "ours"}, good()).rpartition(".")[0]
    + ".",
    "HS256 with the public key": hs256(good()),
    "algorithm Ed448": signed({"alg": "Ed448", "kid": "ours"}, good()),
    "unsigned": signed(HEADER, good()).rpartition(".")[0] + ".",
    "other claims under the signature": ".".join(
        (
            signed(HEADER, good()).split(".")[0],
            encoded(json.dumps(good(roles=["operator"])).encode()),
            signed(HEADER, good()).split(".")[2],
        )
    ),
    "expired": signed(HEADER, good(iat=NOW - 700, exp=NOW - 60)),
    "issued in the future": signed(HEADER, good(iat=NOW + 24 * 3600, exp=NOW + 25 * 3600)),
    "lives too long": signed(HEADER, good(exp=NOW + 3 * 3600)),
    "ends before it begins": signed(HEADER, good(iat=NOW, exp=NOW - 10)),
    "without end": signed(HEADER, good(exp=None)),
    "without beginning": signed(HEADER, good(iat=None)),
    "end as text": signed(HEADER, good(exp="9999999999")),
    "another audience": signed(HEADER, good(aud="bank")),
    "no audience": signed(HEADER, good(aud=None)),
    "another issuer": signed(HEADER, good(iss="elsewhere")),
    "no issuer": signed(HEADER, good(iss=None)),
    "no subject": signed(HEADER, good(sub=None)),
    "a subject that is none": signed(HEADER, good(sub="Aigul B.\n")),
    "no office": signed(HEADER, good(office=None)),
    "no roles": signed(HEADER, good(roles=None)),
    "an unknown role": signed(HEADER, good(roles=["minister"])),
    "not yet valid": signed(HEADER, good(nbf=NOW + 24 * 3600)),
    "endless": signed(HEADER, good(extra="x" * 5_000)),
    "a critical extension": signed({**HEADER, "crit": ["exp"]}, good()),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_token_is_refused(keys: TokenKeys, name: str) -> None:
    with pytest.raises(BadToken) as raised:
        keys.caller(BAD[name])
    assert not BAD[name] or BAD[name][:20] not in raised.value.reason
    assert '"' not in raised.value.reason


def test_clocks_may_differ_by_half_a_minute(keys: TokenKeys) -> None:
    now = int(time.time())
    assert keys.caller(signed(HEADER, good(iat=now - 600, exp=now - 20))).staff == "aigul"
    assert keys.caller(signed(HEADER, good(iat=now + 20))).staff == "aigul"


def test_a_token_that_was_good_still_ends(keys: TokenKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    token = signed(HEADER, good())
    assert keys.caller(token).staff == "aigul"
    later = time.time() + 631
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(BadToken, match="expired"):
        keys.caller(token)


def test_a_changed_file_of_keys_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [public(OURS)]}))
    keys = TokenKeys(path)
    ours, theirs = signed(HEADER, good()), signed({**HEADER, "kid": "theirs"}, good(), THEIRS)
    assert keys.caller(ours).staff == "aigul"

    path.write_text(json.dumps({"keys": [public(THEIRS)]}))
    os.utime(path, (0, 0))
    assert keys.caller(ours).staff == "aigul", "the file is not looked at for every request"

    start = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: start + 6)
    assert keys.caller(theirs).staff == "aigul"
    with pytest.raises(BadToken):
        keys.caller(ours)

    path.write_text("{half")
    monkeypatch.setattr(time, "monotonic", lambda: start + 12)
    assert keys.caller(theirs).staff == "aigul", "a half-written file changes nothing"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys": []}',
        json.dumps({"keys": [{"kty": "oct", "k": encoded(b"s" * 32), "kid": "a"}]}),
        json.dumps({"keys": [public(OURS), public(OURS)]}),
        json.dumps({"keys": [{**public(OURS), "crv": "Ed448", "x": encoded(b"a" * 57)}]}),
    ],
)
def test_a_file_without_good_keys_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(BadTokenKeys, match=r"keys\.json"):
        TokenKeys(path)
    with pytest.raises(BadTokenKeys):
        TokenKeys(tmp_path / "missing.json")


router = APIRouter()


@router.get("/anyone")
async def anyone(who: Annotated[Caller, caller()]) -> str:
    return who.actor


@router.get("/head")
async def head_or_operator(who: Annotated[Caller, caller(Role.HEAD, Role.OPERATOR)]) -> str:
    return who.actor


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def client(keys: TokenKeys) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        title="test",
        version="1",
        lifespan=lifespan,
        routers=[router],
        probes=Probes(),
        admission=Admission(keys),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def bearing(*roles: Role, lifetime: timedelta = timedelta(minutes=5)) -> dict[str, str]:
    token = issue(OURS, staff="aigul", office="almaty", roles=roles, lifetime=lifetime)
    return {"Authorization": f"Bearer {token}"}


async def test_without_a_token_nobody_is_served(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = await client.get("/anyone", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer realm="qyzmet"')
        assert answer.json()["type"] == "/problems/unauthorized"


async def test_an_expired_token_is_told_so(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {BAD['expired']}"}
    answer = await client.get("/anyone", headers=headers)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "expired" in answer.json()["detail"]


async def test_one_of_the_roles_is_enough(client: httpx.AsyncClient) -> None:
    assert (await client.get("/anyone", headers=bearing())).json() == "staff:aigul"
    answer = await client.get("/head", headers=bearing(Role.HEAD, Role.OFFICE_SPECIALIST))
    assert answer.json() == "staff:aigul"


async def test_without_any_of_the_roles_it_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/head", headers=bearing(Role.OFFICE_SPECIALIST))
    assert answer.status_code == 403
    assert (answer.json()["expected"], answer.json()["found"]) == (
        "head or operator",
        "office-specialist",
    )


async def test_who_may_only_as_operator_acts_as_operator(client: httpx.AsyncClient) -> None:
    only = await client.get("/head", headers=bearing(Role.OPERATOR, Role.OFFICE_SPECIALIST))
    assert only.json() == "operator:aigul"
    both = await client.get("/head", headers=bearing(Role.OPERATOR, Role.HEAD))
    assert both.json() == "staff:aigul"
