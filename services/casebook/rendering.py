"""Rows as answers."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.casebook.answers import (
    Due,
    Fresh,
    Parked,
    PartitionFreshness,
    Status,
    TimelineFact,
)
from services.casebook.opening import Private
from services.casebook.paging import Row
from shared.messaging.topics import CASE_EVENTS


def fresh_of(rows: Sequence[asyncpg.Record]) -> Fresh:
    """The moment up to which every partition is folded, and the positions."""
    times = [
        row["seen_at"] if row["next"] == row["log_end"] else row["last_logged_at"] for row in rows
    ]
    known = [time for time in times if isinstance(time, datetime)]
    positions = [
        f"{row['partition']}:{row['next'] - 1}"
        for row in rows
        if row["topic"] == CASE_EVENTS and row["next"]
    ]
    complete = len(known) == len(times) > 0
    return Fresh(time=min(known) if complete else None, positions=positions)


def status_of(row: Row, at: datetime) -> Status:
    """A row of status as it is answered; late is also whose due has passed unsaid."""
    due = None
    due_at = row["due_at"]
    if isinstance(due_at, datetime):
        due = Due(at=due_at, clause=str(row["due_clause"]), rule=str(row["due_rule"]))
    late = bool(row["overdue"]) or (isinstance(due_at, datetime) and due_at < at)
    values = {name: row[name] for name in Status.model_fields if name in _PLAIN}
    position = f"{row['partition']}:{row['offset']}"
    return Status.model_validate({**values, "due": due, "overdue": late, "position": position})


_PLAIN: Final = frozenset(Status.model_fields) - {"due", "overdue", "position"}


def fact_of(row: asyncpg.Record, private: Private, clauses: Mapping[int, str]) -> TimelineFact:
    due = None
    if row["due_at"] is not None:
        due = Due(at=row["due_at"], clause=row["due_clause"], rule=row["due_rule"])
    of_step = clauses.get(row["turn"]) if row["kind"] != "statement" else None
    named = [clause for clause in (of_step, row["clause"]) if clause is not None]
    plain = {name: row[name] for name in TimelineFact.model_fields if name in _AS_STORED}
    return TimelineFact.model_validate(
        {
            **plain,
            "clauses": list(dict.fromkeys(named)),
            "due": due,
            "said": json.loads(row["said"]),
            "private": private.state,
            "opened": private.opened,
            "position": f"{row['partition']}:{row['offset']}",
        }
    )


_AS_STORED: Final = frozenset(TimelineFact.model_fields) - {
    "clauses", "due", "said", "private", "opened", "position",
}  # fmt: skip


def partition_of(row: asyncpg.Record, at: datetime) -> PartitionFreshness:
    last = row["last_logged_at"]
    return PartitionFreshness(
        topic=row["topic"],
        partition=row["partition"],
        next=row["next"],
        log_end=row["log_end"],
        behind=max(0, row["log_end"] - row["next"]),
        last_record_at=last,
        age_s=round((at - last).total_seconds(), 3) if last is not None else None,
        seen_at=row["seen_at"],
    )


def parked_of(row: asyncpg.Record) -> Parked:
    """A case set aside."""
    plain = {name: row[name] for name in ("case_id", "office", "kind", "reason", "topic", "behind")}
    position = f"{row['partition']}:{row['offset']}"
    return Parked.model_validate({**plain, "position": position, "since": row["logged_at"]})
