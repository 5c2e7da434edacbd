"""What reading some records does, beside the work on the cases: who waits, who stands aside."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.events.envelope import Envelope
from shared.identifiers import CaseId
from shared.journal.parked import ParkedRow
from shared.journal.rows import CaseRow
from shared.journal.work import Work
from shared.messaging.reading import Verdict, judge, passed_over
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
    fact = held.record.fact
    return fact is None or verdict_of(row, fact.envelope) is Verdict.WAIT


def without(seen: Mapping[str, str], record: Incoming) -> dict[str, str]:
    """What has been seen of a case when it goes on without a record."""
    envelope = record.envelope
    if envelope is None:
        return dict(seen)
    return passed_over(seen, envelope.source, envelope.sequence, envelope.event_id)
