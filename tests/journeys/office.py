"""A department at work, as its people use it: over HTTP, each with a token of their own."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from deploy.local.system import LocalSystem
from shared.iin import make_synthetic_iin

WAIT_S = 30.0
STAFF: dict[str, list[str]] = {
    "admin": ["administrator"],
    "saule": ["office-specialist"],
    "head": ["head"],
    "deputy": ["management"],
    "aigul": ["responsible-executor"],
    "bolat": ["responsible-executor"],
    "timur": ["operator"],
}
PAPERS = {
    "home-education": (
        "application",
        "identity-document",
        "residence-registration",
        "pmpk-conclusion",
        "disability-certificate",
        "bank-account",
        "school-certificate",
    ),
    "employment-referral": ("identity-document",),
}
_serials = count(int(time.time()) % 9000)


@dataclass
class Office:
    """One office of a running system. `staff` prefixes make its people its own."""

    system: LocalSystem
    name: str
    client: httpx.Client

    def open(self) -> None:
        """Record everybody in the staff directory and wait until all stages know them."""
        places = [
            self.ok(
                "routing",
                "PUT",
                f"/staff/{self.staff(person)}",
                "admin",
                {"office": self.name, "roles": roles, "full_name": f"Synthetic {person}"},
            )
            for person, roles in STAFF.items()
        ]
        assert places
        self.until_read("department-events")

    def staff(self, person: str) -> str:
        """The staff id of somebody in this office."""
        return f"{self.name}-{person}"

    def token(self, person: str, roles: Sequence[str] | None = None) -> str:
        """A token of the demo issuer."""
        wanted = {
            "staff": self.staff(person),
            "office": self.name,
            "roles": list(roles if roles is not None else STAFF[person]),
        }
        answer = self.client.post(f"{self.system.environment.url('issuer')}/tokens", json=wanted)
        return str(answer.json()["token"])

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        person: str | None,
        body: object = None,
        *,
        key: str | None = None,
        least: str | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        """Any request, whatever the answer."""
        headers = {}
        if token is not None or person is not None:
            headers["Authorization"] = f"Bearer {token or self.token(str(person))}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.client.request(
            method,
            self.system.environment.url(service) + path,
            json=body,
            headers=headers,
            params={"min_position": least} if least else {},
        )

    def ok(self, *parts: Any, **more: Any) -> dict[str, Any]:
        """A request that has to succeed; its answer."""
        answer = self.ask(*parts, **more)
        assert answer.status_code in (200, 201, 202), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def lodge(self, procedure: str, **more: Any) -> dict[str, Any]:
        """Lodge a complete application of a new synthetic person; the answer."""
        return self.ok(
            "intake",
            "POST",
            "/applications",
            "saule",
            application(procedure, **more),
            key=str(uuid.uuid4()),
        )

    def to_draft(self, procedure: str = "home-education", **more: Any) -> dict[str, Any]:
        """A case that aigul is to draft; the answer of the assignment."""
        lodged = self.lodge(procedure, **more)
        case = lodged["case_id"]
        registered = self.ok("intake", "PUT", f"/cases/{case}/registration", "saule")
        choice = {"executor": self.staff("aigul"), "instruction": "Қараңыз"}
        return self.ok(
            "routing",
            "PUT",
            f"/cases/{case}/executor",
            "head",
            choice,
            least=registered["position"],
        )

    def draft(self, case: str, least: str, **more: Any) -> dict[str, Any]:
        """Aigul draws up the result."""
        body = {"outcome": "granted", "text": "Жәрдемақы тағайындалды", **more}
        return self.ok("executor", "PUT", f"/cases/{case}/draft", "aigul", body, least=least)

    def to_end(self, case: str, least: str) -> dict[str, Any]:
        """Draft, sign, issue."""
        drafted = self.draft(case, least)
        digest = self.facts(case, "qyzmet.executor.notification-drafted.v1")[-1][1]["digest"]
        signed = self.ok(
            "signing",
            "PUT",
            f"/cases/{case}/signature",
            "head",
            {"digest": digest},
            least=drafted["position"],
        )
        return self.ok(
            "notify",
            "PUT",
            f"/cases/{case}/result",
            "saule",
            {"way": "desk"},
            least=signed["position"],
        )

    def facts(
        self, case: str, type_: str | None = None
    ) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """The case's records in the log, headers and data, read by another client than ours."""
        found = []
        for key, headers, value in records(self.system):
            if key == case and type_ in (None, headers["ce_type"]):
                found.append((headers, value))
        return found

    def until(self, case: str, type_: str) -> None:
        """Wait until the log tells this of the case."""
        deadline = time.monotonic() + WAIT_S
        while not self.facts(case, type_):
            assert time.monotonic() < deadline, f"{type_} did not come"
            time.sleep(0.2)

    def until_read(self, topic: str) -> None:
        """Wait until every stage has read all of a topic."""
        deadline = time.monotonic() + WAIT_S
        query = "SELECT coalesce(sum(next), 0) FROM {}.offsets WHERE topic = '{}'"
        end = sum(1 for _ in records(self.system, topic))
        for stage in ("intake", "routing", "executor", "signing", "notify"):
            while int(self.query(query.format(stage, topic))) < end:
                assert time.monotonic() < deadline, f"{stage} does not read {topic}"
                time.sleep(0.1)

    def query(self, sql: str) -> str:
        """One value from the stages' database."""
        return self.system.postgres.query(sql, "qyzmet")


def application(procedure: str, **more: Any) -> dict[str, Any]:
    """A complete application of a new synthetic person."""
    return {
        "procedure": procedure,
        "applicant": person(),
        "documents": [{"kind": kind, "state": "provided"} for kind in PAPERS[procedure]],
        "synthetic": True,
        **more,
    }


def person() -> dict[str, Any]:
    """Somebody who does not exist, with a well-formed IIN."""
    while True:
        iin = make_synthetic_iin(date(1985, 1, 13), male=True, serial=next(_serials) % 10_000)
        if iin is not None:
            break
    return {"iin": iin, "surname": "Сынақов", "given_name": "Синтетик", "language": "kk"}


def records(
    system: LocalSystem, topic: str = "case-events"
) -> Iterator[tuple[str, dict[str, str], dict[str, Any]]]:
    """Everything in a topic, decoded as any CloudEvents reader would."""
    for key, headers, value in raw_records(system, topic):
        yield key.decode(), {name: text.decode() for name, text in headers}, json.loads(value)


def raw_records(
    system: LocalSystem, topic: str = "case-events"
) -> Iterator[tuple[bytes, list[tuple[str, bytes]], bytes]]:
    """Everything in a topic, byte by byte, in the order of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": system.broker.bootstrap,
            "group.id": "journeys",
            "enable.auto.commit": False,
        }
    )
    try:
        known = consumer.list_topics(topic, timeout=WAIT_S).topics[topic].partitions
        parts = [TopicPartition(topic, part, 0) for part in known]
        consumer.assign(parts)  # first: what it is not to read it may forget before it is asked
        ends = {
            part.partition: consumer.get_watermark_offsets(part, timeout=WAIT_S)[1]
            for part in parts
        }
        wanted = sum(ends.values())
        while wanted:
            for message in consumer.consume(min(wanted, 500), timeout=WAIT_S):
                assert message.error() is None
                wanted -= 1
                key, headers, value = message.key(), message.headers(), message.value()
                assert isinstance(headers, list)
                yield key or b"", [(name, _bytes(text)) for name, text in headers], value or b""
    finally:
        consumer.close()


def _bytes(text: str | bytes | None) -> bytes:
    assert isinstance(text, bytes)
    return text
