"""The log by the reading rule, written a second time: what counts, and in which order.

A record at the same place (source, case, sequence) with the same id is a duplicate and is
skipped, with another id it is a contradiction. The kernel has code of its own for this; here it is
done from scratch, so that a mistake there does not hide itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.events.catalogue import BY_TYPE, Entry
from shared.events.envelope import GENESIS, canonical, chain_hash
from shared.events.event import Kind
from shared.messaging.topics import DEPARTMENT_EVENTS
from tests.faults.evidence import Place, Record, said


@dataclass(frozen=True)
class Fact:
    """One event that counts, at the first place where the log tells it."""

    place: Place
    case_id: str
    source: str
    sequence: int
    event_id: str
    turn: int
    entry: Entry
    attributes: Mapping[str, str]
    data: bytes

    @property
    def name(self) -> str:
        """`notification-drafted` and its like."""
        return self.entry.type.split(".")[2]

    @property
    def says(self) -> Mapping[str, object]:
        """Its data."""
        return said(self.data)

    @property
    def binds(self) -> bool:
        """Only the holder may tell it."""
        return self.entry.kind is not Kind.STATEMENT


@dataclass
class Reading:
    """What the log says once duplicates are skipped."""

    cases: dict[str, list[Fact]] = field(default_factory=dict)
    """Facts in the order of the log."""
    department: list[Fact] = field(default_factory=list)
    duplicates: int = 0
    violations: list[str] = field(default_factory=list)

    def named(self, name: str) -> Iterable[Fact]:
        """All facts of one name."""
        return (fact for facts in self.cases.values() for fact in facts if fact.name == name)


def read(log: Sequence[Record]) -> Reading:
    """Apply the reading rule to the whole log, and look whether places and chains are whole."""
    reading = Reading()
    first: dict[tuple[str, str, int], Fact] = {}
    for record in log:
        fact = _fact(record, reading)
        if fact is None:
            continue
        key = (fact.case_id, fact.source, fact.sequence)
        earlier = first.setdefault(key, fact)
        if earlier is not fact:
            _compare(earlier, fact, reading)
            continue
        if record.place[0] == DEPARTMENT_EVENTS:
            reading.department.append(fact)
        else:
            reading.cases.setdefault(fact.case_id, []).append(fact)
    for facts in (*reading.cases.values(), reading.department):
        reading.violations += _broken_places(facts)
    return reading


def _fact(record: Record, reading: Reading) -> Fact | None:
    found = record.attributes
    entry = BY_TYPE.get(found.get("type", ""))
    if entry is None:
        reading.violations.append(f"I2 {record.place}: unknown type {found.get('type')!r}")
        return None
    if entry.department and record.place[0] != DEPARTMENT_EVENTS:
        reading.violations.append(f"I2 {record.place}: {entry.type} in the wrong topic")
    if found.get("source") != entry.owner.value or found.get("subject") != record.case_id:
        reading.violations.append(f"I2 {record.place}: source or case is not the envelope's")
    return Fact(
        place=record.place,
        case_id=record.case_id,
        source=found["source"],
        sequence=int(found["sequence"]),
        event_id=found["id"],
        turn=int(found["turn"]),
        entry=entry,
        attributes=found,
        data=record.data,
    )


def _compare(earlier: Fact, later: Fact, reading: Reading) -> None:
    where = f"{earlier.case_id} {earlier.source} {earlier.sequence}"
    if earlier.event_id != later.event_id:
        reading.violations.append(
            f"I2 {where}: told twice, as {earlier.event_id} at {earlier.place} "
            f"and as {later.event_id} at {later.place}"
        )
        return
    reading.duplicates += 1
    if (earlier.attributes, earlier.data) != (later.attributes, later.data):
        reading.violations.append(f"I2 {where}: the duplicate at {later.place} says something else")
    if earlier.place[:2] != later.place[:2]:
        reading.violations.append(f"I2 {where}: in two partitions")


def _broken_places(facts: Sequence[Fact]) -> list[str]:
    """Sequences dense from 1 for each source, each chained to the one before."""
    broken = []
    by_source: dict[str, list[Fact]] = {}
    for fact in facts:
        by_source.setdefault(fact.source, []).append(fact)
    for source, own in by_source.items():
        own.sort(key=lambda fact: fact.sequence)
        where = f"{own[0].case_id} {source}"
        sequences = [fact.sequence for fact in own]
        if sequences != list(range(1, len(own) + 1)):
            broken.append(f"I2 {where}: sequences are {sequences}")
        head = GENESIS
        for fact in own:
            if fact.attributes.get("prevhash") != head:
                broken.append(f"I2 {where} {fact.sequence}: the chain is broken before it")
            head = chain_hash(canonical(fact.attributes), fact.data)
    return broken
