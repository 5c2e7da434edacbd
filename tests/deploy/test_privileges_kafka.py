"""Who may do what in Kafka: everybody tries everything, and exactly the table's lines succeed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.privileges.acls import apply_acls, bindings, exactly
from deploy.privileges.table import BY_NAME, STAGES, Principal
from deploy.site.broker import SET_UP
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS
from tests.deploy import attempts
from tests.deploy.secured import NAMES, STRANGER, SecuredBroker, set_up_broker

OFFSETS = "__consumer_offsets"
FOREIGN = "not-ours"
TOPICS = (CASE_EVENTS, DEPARTMENT_EVENTS, FOREIGN, OFFSETS)
GROUPS = (*(f"qyzmet-{stage}" for stage in STAGES), "other-group")
# What Kafka lets in besides what it was told: who reads or writes may describe.
IMPLIED = {"READ": "DESCRIBE", "WRITE": "DESCRIBE", "CREATE": "DESCRIBE", "DELETE": "DESCRIBE"}


@pytest.fixture(scope="module")
def stocked(secured_broker: SecuredBroker) -> SecuredBroker:
    """A record in each topic, one that is not ours among them."""
    options = secured_broker.options(SET_UP)
    admin = AdminClient(options)
    attempts.done(admin.create_topics([NewTopic(FOREIGN, 1, 1)]))
    for topic in (CASE_EVENTS, DEPARTMENT_EVENTS, FOREIGN):
        attempts.write(options, topic)
    # The offsets' topic comes into being with the first commit.
    attempts.committed(admin, "the-set-up", CASE_EVENTS)
    return secured_broker


def wanted(principal: Principal) -> set[tuple[str, str]]:
    found = set()
    for topic, operations in principal.topics.items():
        for operation in operations - {"DELETE"}:
            found |= {(topic, operation), (topic, IMPLIED[operation])}
    for group in principal.groups:
        found |= {(group, "READ"), (group, "DESCRIBE")}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_may_do_what_the_table_says_and_nothing_else(
    stocked: SecuredBroker, name: str
) -> None:
    options = stocked.options(name)
    tried = {
        (topic, operation): attempt
        for topic in TOPICS
        for operation, attempt in attempts.on_topic(options, topic).items()
    }
    for group in GROUPS:
        for operation, attempt in attempts.on_group(options, group, CASE_EVENTS).items():
            tried[group, operation] = attempt
    for operation, attempt in attempts.on_cluster(options).items():
        tried["the cluster", operation] = attempt
    with ThreadPoolExecutor(6) as pool:
        outcomes = dict(zip(tried, pool.map(attempts.is_allowed, tried.values()), strict=True))
    done = {what for what, allowed in outcomes.items() if allowed}
    assert done == wanted(BY_NAME.get(name, Principal(name)))


def test_only_who_mends_the_log_can_delete_it(stocked: SecuredBroker) -> None:
    for name in NAMES:
        if name != "operator":
            assert attempts.deleted(stocked.options(name), TOPICS) == set()
    mine = {CASE_EVENTS, DEPARTMENT_EVENTS}
    assert attempts.deleted(stocked.options("operator"), TOPICS) == mine
    asyncio.run(set_up_broker(stocked))  # puts it back, for the tests after this one
    for topic in mine:
        attempts.write(stocked.options(SET_UP), topic)


def test_nobody_enters_without_the_password(stocked: SecuredBroker) -> None:
    intake = stocked.options("intake")
    assert attempts.can_enter(intake)
    others = (
        {"sasl.password": "guessed"},
        {"sasl.username": "nobody-we-know"},
        {"sasl.mechanism": "PLAIN"},
        {"security.protocol": "plaintext"},
        {"security.protocol": "ssl"},
    )
    with ThreadPoolExecutor(len(others)) as pool:
        entered = list(pool.map(attempts.can_enter, [{**intake, **other} for other in others]))
    assert not any(entered)


def test_nobody_enters_among_the_brokers_without_their_certificate(
    stocked: SecuredBroker,
) -> None:
    peers = f"127.0.0.1:{stocked.node.peer_port}"
    stranger = {
        "bootstrap.servers": peers,
        "security.protocol": "ssl",
        "ssl.ca.location": str(stocked.authority.certificate),
    }
    pem = stocked.folder / "kafka.pem"
    broker = {**stranger, "ssl.certificate.location": str(pem), "ssl.key.location": str(pem)}
    assert attempts.can_enter(broker)
    assert not attempts.can_enter(stranger)
    assert not attempts.can_enter({**stocked.options("intake"), "bootstrap.servers": peers})


def test_a_list_that_went_astray_is_put_right(stocked: SecuredBroker) -> None:
    admin = AdminClient(stocked.options(SET_UP))
    stray = next(each for each in bindings() if each.principal == "User:intake")
    stray.principal = f"User:{STRANGER}"
    attempts.done(admin.create_acls([stray]))
    missing = next(iter(bindings()))
    admin.delete_acls([exactly(missing)])[exactly(missing)].result()
    assert apply_acls(admin) == (1, 1)
    assert apply_acls(admin) == (0, 0)
