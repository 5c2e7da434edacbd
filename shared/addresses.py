"""Addresses of Kafka and Postgres, as the environment tells them.

No secret stands in one: an address names the file that the password is in, so that neither the
environment nor a list of processes shows it. `?password_file=` is ours and the same for both.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

PASSWORD_FILE: Final = "password_file"  # noqa: S105 - the name of a parameter
_SECURE: Final = "sasl-ssl"

_Password = TypeVar("_Password", str, str | None)
_Entered = TypeVar("_Entered")


@dataclass(frozen=True, slots=True)
class Login:
    """Who a Kafka client is, and how it knows the broker."""

    user: str
    password_file: Path
    authority: Path
    """The certificate (PEM) of who signed the brokers'."""


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where the brokers are; without a login anybody may talk to them, and everybody can listen."""

    servers: str
    """`host:port` with commas between."""
    login: Login | None = None


def kafka_address(text: str) -> KafkaAddress:
    """Read `host:port,...` or `sasl-ssl://user@host:port,...?password_file=F&sslrootcert=F`.

    Raises:
        ValueError: it is neither, or a part of it is missing.
    """
    if "://" not in text:
        return KafkaAddress(text)
    parts = urlsplit(text)
    given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    user, _, servers = parts.netloc.rpartition("@")
    if parts.scheme != _SECURE or parts.path.strip("/"):
        raise ValueError(f"not {_SECURE}://user@host:port")
    if not user or ":" in user or not servers:
        raise ValueError("one user, without a password, and servers are needed")
    if set(given) != {PASSWORD_FILE, "sslrootcert"}:
        raise ValueError(f"{PASSWORD_FILE} and sslrootcert are needed, and nothing else")
    login = Login(unquote(user), Path(given[PASSWORD_FILE]), Path(given["sslrootcert"]))
    return KafkaAddress(servers, login)


def checked_kafka(text: str) -> str:
    """The address as it is, when it can be read. Raises ValueError."""
    kafka_address(text)
    return text


def without_password_file(url: str) -> tuple[str, Path | None]:
    """A database's URL as its client knows it, and the file of the password, if one is named."""
    parts = urlsplit(url)
    given = parse_qsl(parts.query)
    files = [value for name, value in given if name == PASSWORD_FILE]
    if not files:
        return url, None
    rest = urlencode([(name, value) for name, value in given if name != PASSWORD_FILE], safe="/")
    return parts._replace(query=rest).geturl(), Path(files[-1])


def read_password(file: Path) -> str:
    """The password that stands in a file: its first line. Raises OSError."""
    return read_passwords(file)[0]


def read_passwords(file: Path) -> list[str]:
    """Every line of a file of a password. A second one is the password before: while it is being
    changed nobody knows which of the two a store takes already. Raises OSError."""
    lines = file.read_text(encoding="utf-8").rstrip("\r\n").split("\n")
    return [line.rstrip("\r") for line in lines]


async def let_in(
    passwords: Sequence[_Password],
    enter: Callable[[_Password], Awaitable[_Entered]],
    refused: type[Exception],
) -> _Entered:
    """What comes of `enter` with the first of these passwords that is not refused. Raises what the
    last one raises."""
    *firsts, last = passwords
    for password in firsts:
        with suppress(refused):
            return await enter(password)
    return await enter(last)
