"""The reading rule applied to casebook's cases (D4, D5, D7): pure, in memory, case by case.

A record is applied, skipped, kept waiting for the one before it, or parks its case; the later
records of a parked case are kept in order behind it. An operator's `ParkedResolved` is heeded
although the case is parked: casebook looks at the record again, or skips it, and goes on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.casebook.arrivals import Arrival, Fault, Place, Telling
from services.casebook.standing import Standing
from shared.events.holder import ParkedResolved
from shared.identifiers import CaseId, Source
from shared.messaging.reading import (
    Verdict,
    applied,
    is_skipped,
    judge,
    last_sequence,
    passed_over,
    places_taken,
    token_of,
    with_skipped,
)

WAITING_MAX: Final = 500
"""Records of one case that may wait for missing ones; one more parks the case."""


class Told(NamedTuple):
    """A fact that was applied: the `place`-th of its case, with the record at `effective`."""

    fact: Telling
    arrival: Arrival
    place: int
    effective: int


class Setback(NamedTuple):
    """A case was parked with the record at one offset, until it flowed again with another."""

    since: int
    until: int | None
    reason: str


@dataclass(slots=True)
class CaseFile:
    """A case in memory for the time of one transaction.

    `queue` holds the parked records only when `queue_loaded`; otherwise it holds the new ones,
    to be appended behind those in the table.
    """

    case_id: CaseId
    seen: dict[str, str] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)
    listed: bool = False
    """It has a row in `status` already."""
    parked: str | None = None
    waiting: dict[tuple[Source, int], Arrival] = field(default_factory=dict)
    queue: list[Arrival] = field(default_factory=list)
    queue_loaded: bool = True
    told: list[Told] = field(default_factory=list)
    stands: tuple[int, int, int] | None = None
    """Partition and offset of the last one, and with which record it took effect; None: none was
    applied in this transaction."""
    parked_since: int | None = None
    setbacks: dict[int, Setback] = field(default_factory=dict)
    """Those that began or ended in this transaction, by their beginning."""
    at: int = 0
    """The offset of the record that is being admitted: what is applied takes effect with it."""
    places: int | None = None
    """How many places of all sources are taken; counted when first needed."""
    last: tuple[str, int, int] | None = None
    """The place of the last record of this transaction that changed the case or its parking."""

    @property
    def flows(self) -> bool:
        """Nothing has parked it."""
        return self.parked is None

    @property
    def office(self) -> str | None:
        """The office of the case, once its application is read."""
        return self.standing.office


def admit(file: CaseFile, arrival: Arrival) -> None:
    """Take in one record of the case."""
    file.at = arrival.raw.offset
    if file.parked is None:
        _take(file, arrival)
    elif not _is_repeated(file, arrival):
        file.queue.append(arrival)
        file.last = arrival.at
        if arrival.resolves is not None:
            retry(file, arrival)


def needs_queue(file: CaseFile, arrivals: Iterable[Arrival]) -> bool:
    """Whether these records make casebook look again at what is parked."""
    return file.parked is not None and any(each.resolves is not None for each in arrivals)


def retry(file: CaseFile, cause: Arrival | None = None) -> None:
    """Look again at every parked record in order, without those that an operator skipped.

    What fails again parks the case again, with all later ones behind it. The queue is loaded.
    When no record is the cause but a newer build, each takes effect where it stands: as if this
    build had read it then.
    """
    queue, file.queue = file.queue, []
    _unpark(file, cause)
    for arrival in queue:
        if arrival.resolves is not None:
            _remember_skipped(file, arrival.resolves)
    for arrival in queue:
        file.at = (cause or arrival).raw.offset
        if file.flows:
            _take(file, arrival)
        else:
            file.queue.append(arrival)


def _take(file: CaseFile, arrival: Arrival) -> None:
    """One record of a case that flows."""
    fact, place = arrival.fact, arrival.place
    verdict = judge(file.seen, *place) if place is not None else None
    if verdict is Verdict.SKIP:
        return
    if _is_skipped(file, arrival):
        _pass_over(file, arrival)
        return
    if fact is None or place is None:
        _park(file, arrival, arrival.fault or Fault.MALFORMED.value)
        return
    match verdict:
        case Verdict.APPLY:
            _apply(file, arrival, fact, place)
            if file.waiting:
                _wake(file, place.source)
        case Verdict.WAIT:
            _wait(file, arrival, place)
        case Verdict.CONTRADICTION:
            _park(file, arrival, _contradiction(place))


def _is_repeated(file: CaseFile, arrival: Arrival) -> bool:
    """Whether this very event has taken its place already."""
    if arrival.place is None:
        return False
    return judge(file.seen, *arrival.place) is Verdict.SKIP


def _apply(file: CaseFile, arrival: Arrival, fact: Telling, place: Place) -> None:
    try:
        file.standing.hear(fact)
    except Exception as error:  # noqa: BLE001 -- a bug in a fold parks the case, not the stream
        _park(file, arrival, Fault.UNFOLDABLE.saying(type(error).__name__))
        return
    raw = arrival.raw
    file.last = (raw.topic, raw.partition, raw.offset)
    file.stands = (raw.partition, raw.offset, file.at)
    file.seen = applied(file.seen, place.source, place.event_id)
    file.places = places_taken(file.seen) if file.places is None else file.places + 1
    file.told.append(Told(fact, arrival, file.places, file.at))
    if (word := arrival.resolves) is not None:
        _go_on_without(file, word)


def _wake(file: CaseFile, source: Source) -> None:
    """Apply what waited for the place that was just taken."""
    while file.waiting and file.flows:
        following = file.waiting.pop((source, last_sequence(file.seen, source) + 1), None)
        if following is None or following.fact is None or following.place is None:
            return
        _apply(file, following, following.fact, following.place)


def _wait(file: CaseFile, arrival: Arrival, place: Place) -> None:
    at = (place.source, place.sequence)
    present = file.waiting.get(at)
    if present is not None:
        if present.place != place:
            _park(file, arrival, _contradiction(place))
    elif len(file.waiting) < WAITING_MAX:
        file.waiting[at] = arrival
    else:
        _park(file, arrival, Fault.TOO_MANY_WAITING.saying(f"over {WAITING_MAX}"))


def _go_on_without(file: CaseFile, word: ParkedResolved) -> None:
    """An operator skipped a record; if it waits here, what is missing before it will not come."""
    _remember_skipped(file, word)
    held = next((at for at, each in file.waiting.items() if _is_skipped(file, each)), None)
    if held is not None:
        _pass_over(file, file.waiting.pop(held))


def _remember_skipped(file: CaseFile, word: ParkedResolved) -> None:
    if word.how == "skipped":
        token = token_of(word.record, word.partition, word.offset)
        file.seen = with_skipped(file.seen, token)


def _is_skipped(file: CaseFile, arrival: Arrival) -> bool:
    """By its event; by its position when who skipped it could not read it."""
    event_id = arrival.place.event_id if arrival.place is not None else None
    return is_skipped(file.seen, event_id, *arrival.position) or is_skipped(
        file.seen, None, *arrival.position
    )


def _pass_over(file: CaseFile, arrival: Arrival) -> None:
    """Leave a record out; its place counts as told, and so do those before it (D7)."""
    file.last = arrival.at
    if arrival.place is not None:
        file.seen, file.places = passed_over(file.seen, *arrival.place), None
        _wake(file, arrival.place.source)


def _park(file: CaseFile, arrival: Arrival, reason: str) -> None:
    file.parked, file.last = reason, arrival.at
    file.queue.append(arrival)
    file.parked_since = file.at
    file.setbacks[file.at] = Setback(file.at, None, reason)


def _unpark(file: CaseFile, cause: Arrival | None) -> None:
    since, reason = file.parked_since, file.parked
    if since is not None and reason is not None:
        # For a build that no record had to tell, the case was never parked.
        until = cause.raw.offset if cause is not None else since
        file.setbacks[since] = Setback(since, until, reason)
    file.parked = file.parked_since = None


def _contradiction(place: Place) -> str:
    told_twice = f"{place.source.value} {place.sequence} was told twice, differently"
    return Fault.CONTRADICTION.saying(told_twice)
