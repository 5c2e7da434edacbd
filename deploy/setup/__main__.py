"""The set-up of the stores: `python -m deploy.setup log` and `... databases`.

Each waits until its store answers. Topics, users and access lists in Kafka; databases, tables,
roles and grants in Postgres. An upgrade runs it before the first new service. `... rewrap` belongs
to a change of the master key, `... certificates` to new certificates of the brokers.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.privileges.acls import apply_acls, apply_users
from deploy.privileges.grants import Administrator, apply_grants
from deploy.privileges.table import PRINCIPALS
from deploy.setup.certificates import take_up_certificate
from deploy.setup.settings import KeeperSettings, SetupSettings
from shared.addresses import Login, kafka_address, let_in, read_password, read_passwords
from shared.errors import Unavailable
from shared.messaging.topics import create_topics
from shared.postgres.pool import open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import read_lookup_key, read_master_keys

WAIT_S = 180.0
AGAIN_S = 2.0
Found = TypeVar("Found")
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def log() -> None:
    """Topics, users and access lists."""
    settings = SetupSettings()
    login = _login(settings.kafka)
    # A topic gets as many copies as there are brokers when it is made, for good.
    admin = asyncio.run(_patiently(lambda: _let_in(settings.kafka)))
    apply_users(admin, {**_passwords(settings), login.user: read_password(login.password_file)})
    created = asyncio.run(_patiently(lambda: create_topics(settings.kafka)))
    added, removed = apply_acls(admin)
    _say(f"topics created: {len(created)}; access lists: {added} added, {removed} taken away")


@app.command()
def certificates() -> None:
    """Have the brokers take up the certificate that now stands in their file."""
    settings = SetupSettings()
    admin = asyncio.run(_patiently(lambda: _let_in(settings.kafka)))
    brokers = admin.list_topics(timeout=AGAIN_S).brokers
    for number in brokers:
        take_up_certificate(admin, number)
    _say(f"brokers with the certificate of their file: {len(brokers)}")


@app.command()
def databases() -> None:
    """Databases, tables, roles and grants."""
    settings = SetupSettings()
    administrator, passwords = Administrator(settings.postgres), _passwords(settings)
    asyncio.run(_patiently(lambda: apply_grants(administrator, passwords)))
    _say(f"roles: {len(passwords)}; tables and grants are as they should be")


@app.command()
def rewrap() -> None:
    """Wrap all keys of cases under the master key that stands last in its file."""
    _say(f"keys wrapped anew: {asyncio.run(_rewrapped(KeeperSettings()))}")


async def _rewrapped(settings: KeeperSettings) -> int:
    url = settings.privacy_url.get_secret_value()
    pool = await open_pool(url, schema="public", application_name="keeper")
    try:
        master = read_master_keys(settings.master_key_file)
        vault = Vault(pool, master, read_lookup_key(settings.lookup_key_file))
        total = 0
        while count := await vault.rewrap():
            total += count
        return total
    finally:
        await pool.close()


async def _patiently(attempt: Callable[[], Awaitable[Found]]) -> Found:
    """Until the store is there; then it either works or is a fault."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return await attempt()
        except Unavailable as fault:
            if time.monotonic() > deadline:
                raise
            _say(f"waiting: {fault.what}")
            await asyncio.sleep(AGAIN_S)


async def _let_in(address: str) -> AdminClient:
    """A client that the brokers let in. Raises Unavailable: a refusal looks like no broker."""

    async def enter(password: str) -> AdminClient:
        return await _all_there(AdminClient(_options(address, password)), address)

    return await let_in(read_passwords(_login(address).password_file), enter, Unavailable)


async def _all_there(admin: AdminClient, address: str) -> AdminClient:
    """The client, when it sees every broker that the address names. Raises Unavailable."""
    wanted = kafka_address(address).servers.count(",") + 1
    try:
        found = len((await asyncio.to_thread(admin.list_topics, timeout=AGAIN_S)).brokers)
    except KafkaException as fault:
        raise Unavailable(f"the brokers: {fault.args[0].str()}") from fault
    if found < wanted:
        raise Unavailable(f"{wanted - found} of {wanted} brokers")
    return admin


def _passwords(settings: SetupSettings) -> dict[str, str]:
    return {
        principal.name: read_password(settings.passwords / f"{principal.name}_password")
        for principal in PRINCIPALS
    }


def _login(address: str) -> Login:
    login = kafka_address(address).login
    if login is None:
        raise typer.BadParameter("the set-up needs a login: QYZMET_KAFKA has none")
    return login


def _options(address: str, password: str) -> dict[str, str | int | float | bool]:
    """The address as librdkafka takes it: aiokafka cannot change access lists."""
    login = _login(address)
    return {
        "bootstrap.servers": kafka_address(address).servers,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": login.user,
        "sasl.password": password,
        "ssl.ca.location": str(login.authority),
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app()
