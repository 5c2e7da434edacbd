"""Every metric there is, one comment each. Counted per batch where many events pass at once."""

from collections import Counter as TallyOf
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RECORDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 500)

EVENTS_RECORDED: Final = Counter(
    "qyzmet_events_recorded", "Events committed to this stage's journal.", ["type"]
)
EVENTS_PUBLISHED: Final = Counter(
    "qyzmet_events_published", "Events that Kafka acknowledged, repeats included."
)
RECORDS_READ: Final = Counter(
    "qyzmet_records_read", "Records of the log by what the reading rule said of them.", ["verdict"]
)
BATCH_SIZE: Final = Histogram(
    "qyzmet_batch_size", "Records in one transaction of the reader.", buckets=_RECORDS
)
BATCH_SECONDS: Final = Histogram(
    "qyzmet_batch_seconds", "One batch, from poll to commit.", buckets=_SECONDS
)
OUTBOX_AGE: Final = Gauge(
    "qyzmet_outbox_age_seconds", "Age of the oldest event recorded and not yet published; 0: none."
)
PARKED_CASES: Final = Gauge("qyzmet_parked_cases", "Cases set aside after a fault, just now.")
PARKED: Final = Counter("qyzmet_parked", "Cases set aside, by the kind of fault.", ["reason"])
COMMANDS: Final = Counter(
    "qyzmet_commands",
    "Commands by how they ended: done, refused, conflict...",
    ["command", "outcome"],
)
PUBLISH_SECONDS: Final = Histogram(
    "qyzmet_publish_seconds", "One round of sends, until all are acknowledged.", buckets=_SECONDS
)
BATCHES_AGAIN: Final = Counter(
    "qyzmet_batches_again", "Batches read again: somebody else wrote to a case of theirs meanwhile."
)
READ_LAG: Final = Histogram(
    "qyzmet_read_lag_seconds",
    "From a record's log time to the commit of its effects; the oldest record of each batch.",
    buckets=(*_SECONDS, 30, 60, 300, 1800),
)
PRODUCER_RESTARTS: Final = Counter(
    "qyzmet_producer_restarts", "Producers thrown away after a failed round."
)
TIMERS_FIRED: Final = Counter(
    "qyzmet_timers_fired", "Timers that came due, whether or not they found something to do."
)
ERRANDS: Final = Counter(
    "qyzmet_errands", "Calls to the outside by how they ended.", ["kind", "outcome"]
)
ILLEGAL_FACTS: Final = Counter(
    "qyzmet_illegal_facts", "Facts of a source that did not hold the turn: kept, without effect."
)
REQUEST_SECONDS: Final = Histogram(
    "qyzmet_request_seconds",
    "HTTP requests by route (its pattern, never the path) and status.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
UNEXPECTED_ERRORS: Final = Counter(
    "qyzmet_unexpected_errors", "Requests that ended in an error nobody foresaw: each is a bug."
)


def count_recorded(types: Iterable[str]) -> None:
    """Count events that were committed, by type."""
    for type_, number in TallyOf(types).items():
        EVENTS_RECORDED.labels(type_).inc(number)


def count_read(verdicts: Mapping[str, int]) -> None:
    """Count the records of one batch by verdict."""
    for verdict, number in verdicts.items():
        RECORDS_READ.labels(verdict).inc(number)


def exposition() -> tuple[bytes, str]:
    """All metrics of this process as Prometheus scrapes them: body, content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
