"""Going through a case again, fact by fact: what each changed, and whether it holds today.

From the log alone, and without a trace: nothing here has a producer, a gateway or a database.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.casebook.admission import CaseFile, Told, admit
from services.casebook.arrivals import arrival_of
from services.casebook.evidence import Key, LogRecord
from services.casebook.grounds import Grounds
from services.casebook.redeciding import CaseHistory, Redecided, redecided
from services.casebook.standing import Now, Standing, now_of
from shared.course import Course
from shared.events.envelope import Fact
from shared.events.event import Event
from shared.identifiers import DEPARTMENT, CaseId
from shared.procedures.due import Due

Changes = Mapping[str, tuple[object, object]]
_WATCHED: Final = (
    "registration_number", "executor", "outcome", "result_number", "due_at", "overdue",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Replayed:
    """One fact, gone through again. `held`: None while nobody can say who held its turn."""

    told: Told
    held: bool | None
    clauses: tuple[str, ...]
    due: Due | None
    changed: Changes
    result: Redecided

    @property
    def fact(self) -> Fact:
        """The fact itself."""
        return self.told.fact.fact

    @property
    def key(self) -> Key:
        """Its place in the order of its source."""
        envelope = self.fact.envelope
        return envelope.source, envelope.case_id, envelope.sequence

    def values(self) -> dict[str, object]:
        """As JSON: everything but what the fact says."""
        fact, raw = self.fact, self.told.arrival.raw
        envelope, due = fact.envelope, self.due
        return {
            "case_id": str(envelope.case_id),
            "source": envelope.source.value,
            "sequence": envelope.sequence,
            "type": envelope.type,
            "kind": fact.entry.kind.value,
            "turn": envelope.turn,
            "held": self.held,
            "recorded_at": envelope.time,
            "actor": envelope.actor,
            "office": envelope.office,
            "procedure": envelope.procedure,
            "clauses": list(self.clauses),
            "due": None
            if due is None
            else {"at": due.at, "clause": due.clause, "rule": due.rule, "calendar": due.calendar},
            "changed": {name: list(pair) for name, pair in self.changed.items()},
            "verdict": self.result.verdict.value,
            "why": list(self.result.why),
            "open": dict(self.result.open),
            "unread": self.result.unread,
            "position": f"{raw.topic} {raw.partition}:{raw.offset}",
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases a replay is of, by what they are in the end; a period is that of lodging."""

    procedure: str | None = None
    office: str | None = None
    executor: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __call__(self, standing: Standing) -> bool:
        """Whether a case is one of them."""
        if self == Wanted():
            return True
        lodged = standing.lodged
        if lodged is None:
            return False
        now = now_of(standing)
        at = now.at("lodged_at")
        return (
            self.procedure in (None, lodged["procedure"])
            and self.office in (None, lodged["office"])
            and self.executor in (None, now.sets.get("executor"))
            and self.outcome in (None, now.sets.get("outcome"))
            and (self.since is None or (at is not None and at >= self.since))
            and (self.until is None or (at is not None and at < self.until))
        )


@dataclass
class Totals:
    """What a replay went through."""

    cases: int = 0
    facts: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    aside: int = 0
    """Records that are no facts, or wait for what is missing: nothing can be said of them."""
    unreadable: int = 0
    """Records that the log did not give."""


def file_of(case_id: CaseId, records: Sequence[LogRecord]) -> CaseFile:
    """A case by the reading rule, from all its records."""
    file = CaseFile(case_id)
    for record in records:
        admit(file, arrival_of(record))
    return file


def replayed(file: CaseFile, grounds: Grounds, totals: Totals) -> Iterator[Replayed]:
    """Every fact of a case, in order."""
    history = CaseHistory([told.fact.fact for told in file.told])
    course = Course()
    for fact in history.facts:
        course = course.heard(fact)
    standing, before = Standing(), _seen(Standing())
    totals.cases += 1
    totals.aside += len(file.queue) + len(file.waiting)
    for place, (told, fact) in enumerate(zip(file.told, history.facts, strict=True)):
        standing.hear(told.fact)
        after = _seen(standing)
        result = redecided(history, place, grounds)
        totals.facts += 1
        totals.verdicts[result.verdict.value] += 1
        yield Replayed(
            told=told,
            held=course.judges(fact),
            clauses=_clauses(fact, grounds),
            due=_due(fact.event),
            changed=_changes(before, after),
            result=result,
        )
        before = after


def people_in(file: CaseFile) -> list[Fact]:
    """The facts of the department, to know who worked here when."""
    return [told.fact.fact for told in file.told] if file.case_id == DEPARTMENT else []


def _seen(standing: Standing) -> dict[str, object]:
    """What of a case people see change."""
    if standing.lodged is None:
        return {}
    now: Now = now_of(standing)
    return {
        "state": now.state,
        "stage": now.stage,
        "step": now.step,
        **{name: now.sets[name] for name in _WATCHED if name in now.sets},
        "withdrawal_requested": standing.open_request,
        "erased": standing.erased,
    }


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> Changes:
    return {
        name: (before.get(name), value)
        for name, value in after.items()
        if before.get(name) != value and not (value is False and name not in before)
    }


def _clauses(fact: Fact, grounds: Grounds) -> tuple[str, ...]:
    """The clause of the step under which it was told, and the one that the fact itself names."""
    found = []
    if fact.binds and (clause := grounds.clause_of(fact.envelope)) is not None:
        found.append(clause)
    for name in ("clause", "ground_clause"):
        clause = fact.event.__dict__.get(name)
        if isinstance(clause, str) and clause not in found:
            found.append(clause)
    return tuple(found)


def _due(event: Event) -> Due | None:
    found = event.__dict__.get("due")
    return found if isinstance(found, Due) else None
