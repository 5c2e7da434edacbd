"""A log of whole, valid cases with correct chains, made fast: for rates of readers, not of stages.

Each case is a copy of one of some hundred patterns that `tests.facts` told, with ids of its own and
its chains hashed anew. Sealed blocks are copied as they are: no key opens them.

    python -m tests.load.synthetic --kafka localhost:9092 --events 1000000
"""

import argparse
import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, islice
from typing import Any, Final
from uuid import UUID

from confluent_kafka import Producer

from shared.events.envelope import GENESIS, canonical, chain_hash, from_headers
from shared.identifiers import EventId, Source, Step, registration_number
from shared.messaging.topics import CASE_EVENTS
from tests.facts import START, CaseFacts, DepartmentFacts, Written, publish

OPEN_AT_ONCE: Final = 500
"""So many cases run side by side, as in a log of a busy system."""
OFFICES: Final = ("almaly", "bostandyk", "medeu", "turksib")
EXECUTORS: Final = ("aigul", "bolat", "dana", "erlan", "gulnar", "kairat", "madina", "nurlan")
VARIANTS: Final = 16
FLUSH_S_MAX: Final = 120.0
_STRAIGHT: Final = ("lodged", "registered", "assigned", "drafted", "signed", "issued")
WALKS: Final = (
    (60, _STRAIGHT),
    (20, (*_STRAIGHT, "notice_sent")),
    (8, (*_STRAIGHT[:4], "returned", *_STRAIGHT[3:])),
    (4, (*_STRAIGHT[:3], "paper_requested", *_STRAIGHT[3:])),
    (3, ("lodged", "rejected")),
    (2, ("lodged", "registered", "withdrawal_requested", "withdrawn")),
    (2, (*_STRAIGHT[:3], "overdue", "reassigned", *_STRAIGHT[3:])),
    (1, (*_STRAIGHT, "erased")),
)
"""How cases go, and how often."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A fact of a pattern: texts with `%(name)s` where each case has its own."""

    source: Source
    id: str
    attributes: str
    data: str
    headers: Sequence[tuple[str, bytes | str]]
    """Bytes as they are, or the name of a value."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A case to be copied."""

    lines: Sequence[_Line]


def records(
    events: int,
    seed: int = 0,
    open_at_once: int = OPEN_AT_ONCE,
    told: Sequence["Pattern"] | None = None,
) -> Iterator[Written]:
    """At least so many records, in the order of a log; the last cases are told to their end.

    Copies of `told`, if it is given, each as often.
    """
    rng = random.Random(seed)
    patterns, weights = _patterns() if told is None else (list(told), [1] * len(told))
    clock, written = count(int(START.timestamp() * 1000)), 0
    while written < events:
        chosen = rng.choices(patterns, weights, k=open_at_once)
        cases = [_copy(pattern, rng, clock) for pattern in chosen]
        for place in range(max(map(len, cases))):
            for case in cases:
                if place < len(case):
                    yield case[place]
        written += sum(map(len, cases))


def write(bootstrap: str, copies: Iterable[Written]) -> int:
    """Send them, each case to the partition that a stage would send it to; how many there were."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "zstd",
            "batch.size": 256 * 1024,
            "linger.ms": 50,
            "queue.buffering.max.messages": 200_000,
        }
    )
    lost: list[str] = []

    def heard(error: object, _message: object) -> None:
        if error is not None:
            lost.append(str(error))

    sent = 0
    for record in copies:
        headers: Any = list(record.headers)
        while True:
            try:
                producer.produce(
                    record.topic, record.value, record.key, headers=headers, on_delivery=heard
                )
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 1000 == 0:
            producer.poll(0)
    left = producer.flush(FLUSH_S_MAX)
    if left or lost:
        raise RuntimeError(f"{left + len(lost)} records were not taken: {lost[:1]}")
    return sent


async def write_department(bootstrap: str) -> None:
    """Who works in the offices of the cases."""
    department = DepartmentFacts()
    for place, executor in enumerate(EXECUTORS):
        department.member(executor, office=OFFICES[place % len(OFFICES)])
    await publish(bootstrap, department.written)


def _patterns() -> tuple[list[Pattern], list[int]]:
    """All patterns, and how often each is to be chosen."""
    found, weights = [], []
    for weight, walk in WALKS:
        for variant in range(VARIANTS):
            found.append(_pattern(walk, variant))
            weights.append(weight)
    return found, weights


def _pattern(walk: Sequence[str], variant: int) -> Pattern:
    case = CaseFacts(office=OFFICES[variant % len(OFFICES)])
    case.clock = START + timedelta(days=variant, hours=variant % 5)
    executor = EXECUTORS[variant % len(EXECUTORS)]
    for name in walk:
        match name:
            case "assigned":
                case.assigned(executor)
            case "reassigned":
                case.reassigned(EXECUTORS[(variant + 1) % len(EXECUTORS)], executor)
            case "overdue":
                case.overdue(Source.EXECUTOR, Step.DRAFT)
            case "withdrawn":
                case.withdrawn(Source.ROUTING, case.written[-1].event_id)
            case _:
                getattr(case, name)()
    return pattern_of(case.written, str(case.case_id), str(case.applicant), case.number)


def pattern_of(written: Sequence[Written], case_id: str, applicant: str, number: str) -> Pattern:
    """A case that was told, to be copied."""
    names = {
        case_id: "case",
        applicant: "applicant",
        number: "number",
        **{str(told.event_id): f"id{place}" for place, told in enumerate(written)},
    }
    return Pattern([_line(told, place, names) for place, told in enumerate(written)])


def _line(told: Written, place: int, names: dict[str, str]) -> _Line:
    attributes = from_headers(told.headers)
    # As the stages write them: what a person did repeats by a key, what a rule did has a cause.
    if place:
        attributes["causationid"] = next(id_ for id_, name in names.items() if name == "id0")
    if attributes["actor"].startswith("staff:"):
        attributes["idempotencykey"] = f"{place:064x}:{place + 1:064x}"
    attributes = dict(sorted({**attributes, "prevhash": GENESIS}.items()))
    headers: list[tuple[str, bytes | str]] = [("content-type", b"application/json")]
    for name, text in attributes.items():
        own = "head" if name == "prevhash" else names.get(text)
        headers.append((f"ce_{name}", own or text.encode()))
    return _Line(
        source=Source(attributes["source"]),
        id=f"id{place}",
        attributes=_open(canonical({**attributes, "prevhash": "<head>"}), names),
        data=_open((told.value or b"").decode(), names),
        headers=headers,
    )


def _open(text: str, names: dict[str, str]) -> str:
    """A text in which each case's own words are to be filled in."""
    text = text.replace("%", "%%").replace("<head>", "%(head)s")
    for word, name in names.items():
        text = text.replace(word, f"%({name})s")
    return text


def _copy(pattern: Pattern, rng: random.Random, clock: Iterator[int]) -> list[Written]:
    """A case of its own, chained anew."""
    case_id = UUID(_id(rng, clock))
    own = {
        "case": str(case_id),
        "applicant": _id(rng, clock),
        "number": registration_number(case_id, "HE", 2026),
        **{line.id: _id(rng, clock) for line in pattern.lines},
    }
    key, heads, told = own["case"].encode(), dict[Source, str](), []
    for line in pattern.lines:
        own["head"] = heads.get(line.source, GENESIS)
        data = (line.data % own).encode()
        heads[line.source] = chain_hash(line.attributes % own, data)
        headers = [
            (name, value if isinstance(value, bytes) else own[value].encode())
            for name, value in line.headers
        ]
        told.append(Written(CASE_EVENTS, key, headers, data, EventId(UUID(own[line.id]))))
    return told


def _id(rng: random.Random, clock: Iterator[int]) -> str:
    """A UUIDv7 that the seed determines."""
    bits = f"{rng.getrandbits(72):018x}"
    at = f"{next(clock):012x}"
    return f"{at[:8]}-{at[8:]}-7{bits[:3]}-8{bits[3:6]}-{bits[6:]}"


def main() -> None:
    """Write a log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    if given.kafka is None:
        sent = sum(1 for _ in islice(records(given.events, given.seed), given.events))
    else:
        sent = write(given.kafka, records(given.events, given.seed))
    took = time.perf_counter() - began
    found = {"events": sent, "seconds": round(took, 2), "events_per_s": round(sent / took)}
    print(json.dumps(found))  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    main()
