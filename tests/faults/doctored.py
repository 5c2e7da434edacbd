"""A small whole run, made up by hand: two cases, one issued and one withdrawn, and all tables.

For the tests of the checker: each spoils one thing and expects to be caught.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from deploy.local.environment import STAGES
from shared.events.envelope import GENESIS, canonical, chain_hash
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS, TOPICS, partitions_of
from tests.faults.evidence import (
    Evidence,
    JournalRow,
    Partition,
    ReadSide,
    Record,
    StageTables,
)
from tests.faults.history import Application, History, Told

ISSUED, WITHDRAWN = (str(UUID(int=number)) for number in (1, 2))
KEYS = {ISSUED: "a" * 64, WITHDRAWN: "b" * 64}

# Source, name, turn and what it says, in the order of the log.
SPINE: Sequence[tuple[str, str, int, Mapping[str, Any]]] = (
    ("intake", "application-lodged", 0, {"notice": "sms"}),
    ("intake", "application-registered", 0, {}),
    ("routing", "executor-assigned", 1, {}),
    ("executor", "notification-drafted", 2, {}),
    ("signing", "notification-returned", 3, {}),
    ("executor", "notification-drafted", 4, {}),
    ("signing", "notification-signed", 5, {}),
    ("notify", "result-issued", 6, {"result_number": "HE-1/1"}),
    ("notify", "notice-sent", 6, {}),
)
WISH = str(UUID(int=200_011))
GIVEN_UP: Sequence[tuple[str, str, int, Mapping[str, Any]]] = (
    ("intake", "application-lodged", 0, {"notice": "sms"}),
    ("intake", "withdrawal-requested", 0, {}),
    ("intake", "case-withdrawn", 0, {"request": WISH}),
)


@dataclass
class Run:
    """Records and everything that follows from them. Spoil it before `evidence` is taken."""

    records: list[Record] = field(default_factory=list)
    _heads: dict[tuple[str, str], str] = field(default_factory=lambda: defaultdict(lambda: GENESIS))
    _last: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def tell(self, case_id: str, source: str, name: str, turn: int, **says: Any) -> Record:
        """One more event at the end of the log, chained as it has to be."""
        self._last[source, case_id] += 1
        sequence = self._last[source, case_id]
        number = UUID(case_id).int * 100_000 + len(self.records) + 1
        attributes = {
            "id": str(UUID(int=number)),
            "type": f"qyzmet.{source}.{name}.v1",
            "source": source,
            "subject": case_id,
            "sequence": str(sequence),
            "turn": str(turn),
            "prevhash": self._heads[source, case_id],
        }
        if name == "application-lodged":
            attributes["idempotencykey"] = f"{KEYS[case_id]}:{'0' * 64}"
        data = json.dumps(says).encode()
        self._heads[source, case_id] = chain_hash(canonical(attributes), data)
        record = Record((CASE_EVENTS, 0, len(self.records)), case_id, attributes, data)
        self.records.append(record)
        return record

    def evidence(self) -> Evidence:
        """All tables as they are when everything is done."""
        ids = {record.attributes["id"] for record in self.records}
        states = {ISSUED: "issued", WITHDRAWN: "withdrawn"}
        timeline: dict[str, set[str]] = defaultdict(set)
        for record in self.records:
            timeline[record.case_id].add(record.attributes["id"])
        issued = [each for each in self.records if "result-issued" in each.attributes["type"]]
        assert len(ids) == len(self.records)
        return Evidence(
            log=tuple(self.records),
            ends=self._ends(),
            stages={stage: self._tables(stage) for stage in STAGES},
            casebook=ReadSide(
                states=states,
                timeline={case_id: frozenset(found) for case_id, found in timeline.items()},
                parked=(),
                offsets=self._read(),
            ),
            messages={record.attributes["id"]: 1 for record in issued},
            history=self._history(),
        )

    def _tables(self, stage: str) -> StageTables:
        own = [record for record in self.records if record.attributes["source"] == stage]
        journal = [
            JournalRow(
                position=position,
                case_id=record.case_id,
                sequence=int(record.attributes["sequence"]),
                event_id=record.attributes["id"],
                attributes=canonical(record.attributes),
                data=record.data.decode(),
                hash=hashlib.sha256(record.data).hexdigest(),
            )
            for position, record in enumerate(own, start=1)
        ]
        return StageTables(
            journal=journal,
            outbox=(),
            published={place: own[place - 1].place[1:] for place in range(1, len(own) + 1)},
            parked=(),
            errands=0,
            offsets=self._read(),
        )

    def _ends(self) -> dict[Partition, int]:
        ends = {(topic.name, part): 0 for topic in TOPICS for part in partitions_of(topic.name)}
        return {**ends, (CASE_EVENTS, 0): len(self.records), (DEPARTMENT_EVENTS, 0): 0}

    def _read(self) -> dict[Partition, tuple[int, str | None]]:
        last = self.records[-1].attributes["id"]
        return {part: (end, last if end else None) for part, end in self._ends().items()}

    def _history(self) -> History:
        history = History()
        for case_id, key in KEYS.items():
            place = next(each.place for each in self.records if each.case_id == case_id)
            told = Told("intake", 201, case_id, 1, f"{place[1]}:{place[2]}")
            history.applications[key] = Application(key, attempts=1)
            history.note(key, told)
        return history


def whole_run() -> Run:
    """Nothing is wrong with it."""
    run = Run()
    for source, name, turn, says in SPINE:
        run.tell(ISSUED, source, name, turn, **says)
    for source, name, turn, says in GIVEN_UP:
        record = run.tell(WITHDRAWN, source, name, turn, **says)
        if name == "withdrawal-requested":
            assert record.attributes["id"] == WISH
    return run


def with_record(record: Record, **changes: str) -> Record:
    """A record whose attributes say something else."""
    return replace(record, attributes={**record.attributes, **changes})
