"""Addresses with a login: what is read out of them, and what is refused."""

import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.site.certificates import authority_in
from services.intake.settings import Settings
from shared.addresses import (
    Login,
    kafka_address,
    read_password,
    read_passwords,
    without_password_file,
)
from shared.messaging.access import broker_options, client_options

FULL = "sasl-ssl://intake@k1:9092,k2:9092?password_file=/run/p&sslrootcert=/run/ca"


def test_an_address_without_a_login_is_only_servers() -> None:
    assert kafka_address("k1:9092,k2:9092").login is None
    assert client_options("k1:9092") == {"bootstrap_servers": "k1:9092"}
    assert broker_options("k1:9092") == (["k1:9092"], None)
    assert broker_options("k1:9092,k2:9092") == (["k1:9092", "k2:9092"], None)


def test_a_login_names_files() -> None:
    found = kafka_address(FULL)
    assert found.servers == "k1:9092,k2:9092"
    assert found.login == Login("intake", Path("/run/p"), Path("/run/ca"))


@pytest.mark.parametrize(
    "text",
    [
        "sasl_ssl://intake@k1:9092?password_file=/p&sslrootcert=/c",
        "plaintext://intake@k1:9092?password_file=/p&sslrootcert=/c",
        "sasl-ssl://k1:9092?password_file=/p&sslrootcert=/c",
        "sasl-ssl://intake:secret@k1:9092?password_file=/p&sslrootcert=/c",
        "sasl-ssl://intake@k1:9092?password_file=/p",
        "sasl-ssl://intake@k1:9092?password_file=/p&sslrootcert=/c&verify=no",
        "sasl-ssl://intake@?password_file=/p&sslrootcert=/c",
    ],
)
def test_half_an_address_stops_the_start_and_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"sasl-ssl|needed"):
        kafka_address(text)
    with pytest.raises(ValidationError, match="kafka"):
        Settings.model_validate({"kafka": text})


def test_a_client_checks_the_broker_and_reads_the_password_when_it_is_made(tmp_path: Path) -> None:
    authority = authority_in(tmp_path).certificate
    password = tmp_path / "password"
    address = f"sasl-ssl://intake@k1:9092?password_file={password}&sslrootcert={authority}"
    password.write_text("first\n")
    assert client_options(address)["sasl_plain_password"] == "first"
    password.write_text("second\n")
    options = client_options(address)
    assert options["sasl_plain_password"] == "second"
    context = options["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1
    password.unlink()
    with pytest.raises(FileNotFoundError):
        broker_options(address)


def test_a_database_url_loses_only_what_is_ours() -> None:
    url = "postgresql://intake@db:5432/qyzmet?sslmode=verify-full&sslrootcert=/run/ca"
    assert without_password_file(url) == (url, None)
    assert without_password_file(f"{url}&password_file=/run/p") == (url, Path("/run/p"))
    assert without_password_file("postgresql://intake@db/q?password_file=/run/p") == (
        "postgresql://intake@db/q",
        Path("/run/p"),
    )


def test_a_password_may_end_its_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("se cret \r\n")
    assert read_password(file) == "se cret "
    assert read_passwords(file) == ["se cret "]


def test_a_password_that_is_being_changed_stands_before_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("new\nold\n")
    assert read_password(file) == "new"
    assert read_passwords(file) == ["new", "old"]
