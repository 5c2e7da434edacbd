"""What reading some records does, beside the work on the cases: who waits, who stands aside."""

from dataclasses import dataclass, field

from shared.events.envelope import Envelope
from shared.events.holder import PassedOver
from shared.identifiers import CaseId
from shared.journal.parked import ParkedRow
from shared.journal.rows import CaseRow
from shared.journal.work import Work
from shared.messaging.reading import Verdict, judge, places_without
from shared.messaging.records import Incoming


@dataclass
class Batch:
    """See the module."""

    work: Work
    waiting: dict[CaseId, list[ParkedRow]]
    set_aside: list[ParkedRow] = field(default_factory=list)
    resolved: list[ParkedRow] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=dict)
    faults: int = 0
    """Cases set aside in this batch, and records of no case."""

    def count(self, verdict: str) -> None:
        """One more record of this verdict."""
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1


def verdict_of(row: CaseRow, envelope: Envelope) -> Verdict:
    """What the reading rule says of an event, as the case stands now."""
    return judge(row.seen, envelope.source, envelope.sequence, envelope.event_id)


def still_waits(row: CaseRow, held: ParkedRow) -> bool:
    """Whether something is still missing before a record that waits."""
    fact = held.record.unread_fact
    return fact is None or verdict_of(row, fact.envelope) is Verdict.WAIT


def passed_with(row: CaseRow, record: Incoming) -> PassedOver | None:
    """The places that a case goes on without, when it goes on without this record."""
    envelope = record.envelope
    if envelope is None:
        return None
    # What cannot be read says nothing of the records before it; what waits waits for them.
    alone = record.fact is None
    places = places_without(row.seen, envelope.source, envelope.sequence, alone=alone)
    if places is None:
        return None
    return PassedOver(source=envelope.source, first=places[0], last=places[1])
