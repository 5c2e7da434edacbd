"""What casebook answers: the shapes of its JSON. None of them holds a person's data unasked."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.identifiers import Role

State = Literal[
    "lodged",
    "registered",
    "assigned",
    "drafted",
    "returned",
    "signed",
    "issued",
    "withdrawn",
    "rejected",
]


class Answer(BaseModel):
    """Everything here is frozen."""

    model_config = ConfigDict(frozen=True)


class Fresh(Answer):
    """How fresh an answer is: it holds everything that was in the log at `time`."""

    time: datetime | None
    positions: list[str]
    """Per partition the last record folded, `partition:offset`."""


class Due(Answer):
    """The end of the running term, and what it follows from."""

    at: datetime
    clause: str
    rule: str


class Status(Answer):
    """Where a case stands."""

    case_id: UUID
    registration_number: str | None
    applicant: UUID
    procedure: str
    edition: str
    office: str
    channel: str
    result_kind: str
    synthetic: bool
    state: State
    stage: str
    """The stage that holds the case; of one that is over, that held it last."""
    step: str | None
    by_rule: bool
    turn: int
    executor: str | None
    due: Due | None
    whole_due_at: datetime | None
    overdue: bool
    withdrawal_requested: bool
    erased: bool
    outcome: Literal["granted", "refused"] | None
    result_number: str | None
    lodged_at: datetime
    registered_at: datetime | None
    ended_at: datetime | None
    position: str


class CaseAnswer(Answer):
    """One case."""

    case: Status
    parked: str | None
    """Why no more facts of the case are folded; None: they are."""
    as_of: Fresh


class CasesAnswer(Answer):
    """Some cases; `next` continues the list."""

    cases: list[Status]
    next: str | None
    as_of: Fresh


class SearchAnswer(CasesAnswer):
    """Cases that fit; `next` continues the list."""

    not_yet_by_name: int | None
    """Of a search by name: how many cases just lodged are not found by name yet, up to 1,000."""


class TimelineFact(Answer):
    """One fact of a case, as it was told."""

    place: int
    source: str
    sequence: int
    turn: int
    held: bool | None
    """Its source held the turn; False: it changed nothing; None: that is not known yet."""
    event_id: UUID
    type: str
    kind: Literal["hand-off", "decision", "statement"]
    actor: str
    recorded_at: datetime
    clauses: list[str]
    """Of the step it belongs to, and those it names."""
    due: Due | None
    said: dict[str, object]
    private: Literal["none", "sealed", "opened", "erased", "damaged"]
    opened: dict[str, object] | None
    position: str


class TimelineAnswer(Answer):
    """All that was told of a case; `next` continues it."""

    case_id: UUID
    facts: list[TimelineFact]
    erased: bool
    next: str | None
    as_of: Fresh


class Count(Answer):
    """Open cases of one office, procedure and stage."""

    office: str
    procedure: str
    stage: str
    state: State
    open: int
    overdue: int


class CountsAnswer(Answer):
    """All counts the caller may see."""

    counts: list[Count]
    as_of: Fresh


class Age(Answer):
    """How long the open cases of one office, procedure and stage have stood there."""

    office: str
    procedure: str
    stage: str
    open: int
    overdue: int
    due_in_a_day: int
    nearest_due: datetime | None
    """Of the most urgent: in the past when it is late."""
    median_age_s: float
    oldest_age_s: float


class AgesAnswer(Answer):
    """All ages the caller may see."""

    ages: list[Age]
    as_of: Fresh


class Load(Answer):
    """What one executor has to do, and has done."""

    executor: str
    office: str
    open: int
    """Cases not over that this executor answers for, wherever they are."""
    to_draft: int
    """Of these: what is on the executor's own table."""
    returned: int
    overdue: int
    nearest_due: datetime | None
    issued: int
    """Within the days asked for."""


class WorkloadAnswer(Answer):
    """The executors; `next` continues the list."""

    executors: list[Load]
    issued_since: datetime
    next: str | None
    as_of: Fresh


class Result(Answer):
    """One line of the register of results."""

    result_number: str
    issued_at: datetime
    case_id: UUID
    registration_number: str | None
    office: str
    procedure: str
    edition: str
    result_kind: str
    outcome: Literal["granted", "refused"]
    way: str | None
    """How it was issued."""
    receiver: str | None
    """Whether the applicant or a representative took it."""
    applicant: UUID
    executor: str | None
    synthetic: bool


class ResultsAnswer(Answer):
    """A part of the register, the last issued first; `next` continues it."""

    results: list[Result]
    next: str | None
    as_of: Fresh


class Notice(Answer):
    """A message to an applicant, and what became of it."""

    case_id: UUID
    registration_number: str | None
    office: str
    way: Literal["sms", "email"]
    template: str
    outcome: Literal["sent", "failed"]
    reason: str | None
    """Why it failed."""
    at: datetime


class NoticesAnswer(Answer):
    """Messages, the last first; `next` continues the list."""

    notices: list[Notice]
    next: str | None
    as_of: Fresh


class Present(Answer):
    """A member of staff, today."""

    staff: str
    office: str
    name: str | None
    """Only when asked for, by staff of the same office."""
    roles: list[Role]
    """Usable today, those acted in included; none: away or no longer here."""
    away: bool
    active: bool
    open: int
    overdue: int


class DirectoryAnswer(Answer):
    """Who is here on a day; `next` continues the list."""

    day: date
    staff: list[Present]
    next: str | None
    as_of: Fresh


class Parked(Answer):
    """A case whose facts are not folded, or wait for one that has not come."""

    case_id: UUID
    office: str | None
    kind: Literal["parked", "waiting"]
    reason: str
    topic: str
    position: str
    since: datetime
    behind: int
    """Records that stand behind this one."""


class ParkedAnswer(Answer):
    """Parked cases first seen; `next` continues the list."""

    parked: list[Parked]
    next: str | None
    as_of: Fresh


class PartitionFreshness(Answer):
    """How far one partition is folded."""

    topic: str
    partition: int
    next: int
    log_end: int
    behind: int
    last_record_at: datetime | None
    age_s: float | None
    """Of the last record folded."""
    seen_at: datetime | None
    """When the folding replica last saw the end of the log."""


class FreshnessAnswer(Answer):
    """How far the log is folded."""

    as_of: Fresh
    behind: int
    folds_here: bool
    halted: str | None
    generation: str | None
    partitions: list[PartitionFreshness]
