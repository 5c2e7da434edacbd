"""Everything that is secret is changed while 20 applications come in each second: none is refused,
none is lost, none is double. An answer of 503 is a refusal here."""

import base64
import json
import os
import ssl
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import UNAUTHORIZED
from pathlib import Path

import pytest
from joserfc.jwk import KeySet, OKPKey

from deploy.local.environment import SERVICES
from deploy.site.__main__ import prepare
from deploy.site.backups import in_postgres
from deploy.site.renewing import overwrite, renew
from deploy.site.rolling import roll
from tests.compose.composed import Composed, must
from tests.compose.conftest import only_in_full
from tests.compose.load import ended, lodging

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800), only_in_full]
TOKEN_KEYS_ARE_READ_WITHIN_S = 6.0
# The certificate that each server of the inside shows to somebody who connects now.
SHOWN = {
    "kafka": """
import ssl
print(ssl.get_server_certificate(("kafka-1", 9092)))
""",
    "postgres": """
import socket, ssl
plain = socket.create_connection(("postgres", 5432))
plain.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
assert plain.recv(1) == b"S"
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with context.wrap_socket(plain) as secured:
    print(ssl.DER_cert_to_PEM_cert(secured.getpeercert(True)))
""",
}


@contextmanager
def none_refused(composed: Composed) -> Iterator[None]:
    """Applications before, during and after; every one is taken in, and ends as it should.
    No connection breaks either."""
    broken = composed.broken
    with lodging(composed) as load:
        time.sleep(5.0)
        yield
        time.sleep(5.0)
    assert load.errors == []
    assert composed.broken == broken
    ended(composed, load)


def roll_all(composed: Composed, names: Sequence[str] = SERVICES) -> None:
    for name in names:
        roll(composed.program(), name)


def secret(composed: Composed, name: str) -> Path:
    return composed.folder / "secrets" / name


def with_a_new_password(file: Path) -> str:
    """The new one before the old one; the new one."""
    password = f"changed-{uuid.uuid4()}"
    overwrite(file, f"{password}\n{file.read_text()}".encode())
    return password


def set_up(composed: Composed) -> None:
    composed.run("set-up-databases")
    composed.run("set-up-log")


def test_passwords_of_services(opened: Composed) -> None:
    names = ("executor", "intake", "casebook")
    with none_refused(opened):
        made = {name: with_a_new_password(secret(opened, f"{name}_password")) for name in names}
        time.sleep(5.0)
        set_up(opened)
        roll_all(opened, names)
        for name, password in made.items():
            overwrite(secret(opened, f"{name}_password"), password.encode())
        roll_all(opened, names)


def test_passwords_of_those_who_may_do_everything(opened: Composed) -> None:
    postgres, kafka = secret(opened, "administrator_password"), secret(opened, "setup_password")
    with none_refused(opened):
        old = postgres.read_text()
        made = {file: with_a_new_password(file) for file in (postgres, kafka)}
        prepare(opened.folder, opened.brokers)
        set_up(opened)
        for file, password in made.items():
            overwrite(file, password.encode())
        prepare(opened.folder, opened.brokers)
        set_up(opened)
    assert must(in_postgres(opened.program(), "psql", "--dbname=postgres", "-Atc", "SELECT 1"))
    overwrite(postgres, old.encode())
    with pytest.raises(AssertionError, match="password authentication failed"):
        must(in_postgres(opened.program(), "psql", "--dbname=postgres", "-Atc", "SELECT 1"))
    overwrite(postgres, made[postgres].encode())


def test_the_master_key(opened: Composed) -> None:
    file = secret(opened, "master.key")
    old, new = (base64.urlsafe_b64encode(key) for key in (file.read_bytes(), os.urandom(32)))
    with none_refused(opened):
        # First everybody can open what the new one wraps, then it wraps.
        overwrite(file, b"2 %s\n1 %s\n" % (new, old))
        roll_all(opened)
        overwrite(file, b"1 %s\n2 %s\n" % (old, new))
        roll_all(opened)
        assert int(opened.run("rewrap").split()[-1]) > 0
        assert int(opened.run("rewrap").split()[-1]) == 0
        overwrite(file, b"2 %s\n" % new)
        roll_all(opened)


@pytest.mark.parametrize("name", ["edge", "postgres", "kafka"])
def test_certificates(opened: Composed, name: str) -> None:
    file = secret(opened, f"{name}.crt")
    before = file.read_text()
    assert shown(opened, name) == before
    with none_refused(opened):
        renew(opened.program(), opened.folder / "secrets", name)
    assert shown(opened, name) == file.read_text() != before


def shown(composed: Composed, name: str) -> str:
    if name == "edge":
        return ssl.get_server_certificate(("localhost", composed.port))
    return composed.inside("intake", "python3", "-c", SHOWN[name]).strip() + "\n"


def test_keys_that_sign_tokens(opened: Composed) -> None:
    public, private = secret(opened, "token-keys.json"), secret(opened, "issuer-keys.json")
    old = json.loads(public.read_text())["keys"]
    new = OKPKey.generate_key("Ed25519", parameters={"kid": f"new-{uuid.uuid4()}"}, private=True)
    of_old = opened.token("saule")
    with none_refused(opened):
        both = [*old, *KeySet([new]).as_dict(private=False)["keys"]]
        overwrite(public, json.dumps({"keys": both}).encode())
        time.sleep(TOKEN_KEYS_ARE_READ_WITHIN_S)
        overwrite(private, json.dumps(KeySet([new]).as_dict(private=True)).encode())
        roll_all(opened, ["issuer"])
        opened.forget_tokens()
        time.sleep(TOKEN_KEYS_ARE_READ_WITHIN_S)
        overwrite(public, json.dumps({"keys": both[len(old) :]}).encode())
        time.sleep(TOKEN_KEYS_ARE_READ_WITHIN_S)
    headers = {"Authorization": f"Bearer {of_old}"}
    assert opened.client.get("/casebook/cases", headers=headers).status_code == UNAUTHORIZED
