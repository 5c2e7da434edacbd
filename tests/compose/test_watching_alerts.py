"""Each alert fires for what really happens, by the rules as they are: thresholds, windows, waits.

Three times something is broken, and several alerts have to find it.
"""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import yaml

from deploy.observability.__main__ import HERE, answers
from shared.events.envelope import canonical, chain_hash
from shared.identifiers import Source
from shared.messaging.reading import applied, read_seen, written_seen
from tests.compose.composed import PROJECT, Composed, must
from tests.compose.conftest import only_in_full
from tests.compose.load import lodging
from tests.compose.watch import firing, started, until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400), only_in_full]
# A record that no service can read sets its case aside in all of them.
BAD_RECORD = """
import asyncio, os, uuid
from aiokafka import AIOKafkaProducer
from shared.messaging.access import client_options

async def main():
    producer = AIOKafkaProducer(**client_options(os.environ["QYZMET_KAFKA"]))
    await producer.start()
    await producer.send_and_wait("case-events", b"{}", key=str(uuid.uuid4()).encode())
    await producer.stop()

asyncio.run(main())
"""
# Whoever writes to the journal of intake waits for two seconds, again and again.
SLOW_JOURNAL = (
    "DO $$ BEGIN FOR turn IN 1..10000 LOOP LOCK TABLE intake.journal IN EXCLUSIVE MODE;"
    " PERFORM pg_sleep(2); COMMIT; PERFORM pg_sleep(0.1); END LOOP; END $$"
)
READ_BY_EXECUTOR = 'increase(qyzmet_batch_size_count{job="executor"}[5m])'
FEW_BATCHES = 40
NAMES = {
    rule["alert"]
    for group in yaml.safe_load((HERE / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
FIRED: set[str] = set()
"""What the tests of this file have seen to fire."""


def fires(server: str, *wanted: tuple[str, str], within_s: float = 300.0) -> None:
    """Wait until each alert fires for its service."""
    until(server, set(wanted), within_s)
    FIRED.update(name for name, _ in wanted)


@contextmanager
def paused(composed: Composed, *services: str) -> Iterator[None]:
    """Processes that stand still: they hold what they had, and answer nobody."""
    containers = [composed.inspected(name)[0]["Id"] for name in services]
    must(["docker", "pause", *containers])
    try:
        yield
    finally:
        must(["docker", "unpause", *containers])


def test_a_record_that_nobody_can_read(opened: Composed, server: str) -> None:
    opened.compose(
        "run", "--rm", "--no-deps", "-T", "--entrypoint", "python3", "operator", "-c", BAD_RECORD
    )
    fires(server, ("CasesParked", "intake"), ("CasesParked", "routing"))


def test_a_broker_and_a_service_that_stand_still(opened: Composed, server: str) -> None:
    # One batch that is late has to be more than the hundredth of those of five minutes.
    while float(answers(server, READ_BY_EXECUTOR)[0]["value"][1]) > FEW_BATCHES:
        time.sleep(5.0)
    with paused(opened, "executor"):
        with lodging(opened, per_s=1.0) as load:
            fires(server, ("ServiceDown", "executor"))
        assert load.errors == []
    fires(server, ("ReadingLags", "executor"))
    with paused(opened, "kafka-1"), lodging(opened, per_s=4.0):
        fires(
            server,
            ("OutboxStands", "intake"),
            ("ErrorBudgetBurns", "intake"),
            ("ProducerRestarts", "intake"),
        )
    deadline = time.monotonic() + 300.0
    while {("ServiceDown", "executor"), ("OutboxStands", "intake")} & firing(server):
        assert time.monotonic() < deadline
        time.sleep(2.0)


def test_a_bug_that_nobody_foresaw_and_a_fact_out_of_turn(opened: Composed, server: str) -> None:
    case = opened.lodge().json()["case_id"]
    opened.until_issued([case])
    opened.asked("ALTER TABLE intake.requests RENAME TO mislaid")
    try:
        assert opened.lodge().json()["type"].endswith("unexpected")
    finally:
        opened.asked("ALTER TABLE intake.mislaid RENAME TO requests")
    tell_out_of_turn(opened, case)
    fires(server, ("UnexpectedErrors", "intake"), ("IllegalFacts", "routing"))


def test_what_is_slow_cut_off_or_gone(opened: Composed, server: str) -> None:
    (casebook,) = opened.inspected("casebook")
    cut = [f"{PROJECT}_log", casebook["Id"]]
    opened.compose("stop", "gateway")
    must(["docker", "network", "disconnect", *cut])
    with opened.at_work(SLOW_JOURNAL), lodging(opened, per_s=2.0):
        fires(
            server,
            ("ReadingStopped", "casebook"),
            ("AnswersSlow", "intake"),
            ("ErrandsWait", "notify"),
            within_s=1200.0,
        )
    must(["docker", "network", "connect", *cut])
    opened.compose("start", "gateway")


def test_a_service_that_was_never_found(opened: Composed) -> None:
    # Prometheus keeps the addresses that it knew: Docker does not answer for a name that is gone
    # from networks that lead nowhere else. So it is one that starts anew.
    opened.compose("rm", "--force", "--stop", "signing", "prometheus")
    must(["docker", "volume", "rm", f"{PROJECT}_prometheus"])
    fires(started(opened), ("ServiceMissing", "signing"))
    opened.compose("up", "--detach", "--no-deps", "signing")
    opened.wait_healthy()


def test_no_alert_was_left_out() -> None:
    assert FIRED == NAMES


def tell_out_of_turn(composed: Composed, case: str) -> None:
    """What a bug in executor would do: its last word on a case once more, in routing's turn."""
    found = composed.asked(
        "SELECT json_build_array(j.attributes, j.data, j.hash, c.seen) FROM executor.journal j"
        f" JOIN executor.cases c USING (case_id) WHERE case_id = '{case}'"
        " ORDER BY sequence DESC LIMIT 1"
    )
    text, data, last_hash, seen = json.loads(found)
    event = uuid.uuid4()
    attributes = json.loads(text)
    sequence = int(attributes["sequence"]) + 1
    attributes |= {"id": str(event), "sequence": str(sequence), "turn": "1", "prevhash": last_hash}
    told = canonical(attributes)
    read = written_seen(applied(read_seen(seen), Source.EXECUTOR, event))
    composed.asked(
        "WITH told AS (INSERT INTO executor.journal"
        " (case_id, sequence, event_id, event_type, attributes, data, hash, recorded_at) VALUES"
        f" ('{case}', {sequence}, '{event}', '{attributes['type']}', $t${told}$t$, $t${data}$t$,"
        f" '{chain_hash(told, data.encode())}', '{datetime.now(UTC).isoformat()}')"
        " RETURNING position, recorded_at), known AS"
        f" (UPDATE executor.cases SET seen = $t${read}$t$ WHERE case_id = '{case}')"
        " INSERT INTO executor.outbox SELECT position, recorded_at FROM told"
    )
