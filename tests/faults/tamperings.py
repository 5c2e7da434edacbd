"""Ways to tamper: bytes and rows changed, removed, swapped, added. Each knows what has to be named.

A tampering takes an office and a dice, and says which statements spoil the tables or how the log
reads afterwards, and by which finding it is found.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from services.casebook.evidence import Finding, LogRecord
from shared.events.envelope import Envelope, canonical, chain_hash, envelope_of, from_headers
from shared.identifiers import Source
from shared.messaging.log import Place
from shared.messaging.topics import CASE_EVENTS
from tests.changed import replace
from tests.facts import CaseFacts
from tests.faults import segments
from tests.faults.evident import PLACES, Batch, Office

Named = Callable[[Finding], bool]
Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True)
class Tampering:
    """What is spoilt, and the finding that has to be there."""

    what: str
    named: Named
    statements: Sequence[Statement] = ()
    batches: Sequence[Batch] | None = None
    """How the log reads afterwards; None: as before."""


@dataclass
class Scene:
    """An office with the files of its log, and the dice."""

    office: Office
    data: Path
    rng: random.Random
    positions: dict[tuple[Source, UUID, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts: dict[Source, int] = {}
        for record in self.office.records:
            envelope = envelope_of(record.headers)
            counts[envelope.source] = counts.get(envelope.source, 0) + 1
            key = (envelope.source, envelope.case_id, envelope.sequence)
            self.positions[key] = counts[envelope.source]

    def record(self, topic: str | None = None) -> tuple[LogRecord, Envelope, int]:
        """Any record, its envelope, and its position in the journal of its source."""
        chosen = self.rng.choice(
            [each for each in self.office.records if topic in (None, each.topic)]
        )
        envelope = envelope_of(chosen.headers)
        key = (envelope.source, envelope.case_id, envelope.sequence)
        return chosen, envelope, self.positions[key]

    def log(self, records: Iterable[LogRecord]) -> list[Batch]:
        """Records as a broker's files would give them, whole and with their checksums."""
        by_place: dict[Place, list[LogRecord]] = {place: [] for place in PLACES}
        for record in records:
            by_place[record.topic, record.partition].append(record)
        return [
            batch
            for place, mine in by_place.items()
            for batch in segments.read(*place, segments.written(_by_offset(mine)))
        ]

    def others(self, *without: LogRecord) -> list[LogRecord]:
        """All records but these."""
        return [each for each in self.office.records if each not in without]


# ---- what has to be named -----------------------------------------------------------------------


def at_row(source: Source, position: int) -> Named:
    """A row of a journal."""
    return lambda found: (found.source, found.position) == (source, position)


def at_record(record: LogRecord) -> Named:
    """A record of the log."""
    return lambda found: found.record == record.name


def at_table(row: str) -> Named:
    """A row, or a column of it, of another table."""
    return lambda found: (found.row or "").startswith(row)


# ---- journals -----------------------------------------------------------------------------------


def journal_changed(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    source = envelope.source
    column, value = scene.rng.choice(
        [
            ("data", _turned((record.value or b"").decode(), scene.rng)),
            ("attributes", _turned(canonical(from_headers(record.headers)), scene.rng)),
            ("hash", f"{scene.rng.getrandbits(256):064x}"),
            ("event_id", uuid4()),
            ("event_type", "qyzmet.intake.paper-added.v2"),
            ("recorded_at", envelope.time + timedelta(seconds=1)),
            ("recorded_at", envelope.time + timedelta(days=9999)),
        ]
    )
    change = f"UPDATE {source}.journal SET {column} = $1 WHERE position = $2"
    named = at_row(source, position)
    return Tampering(f"journal: {column} changed", named, [(change, (value, position))])


def journal_rewritten(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    data = _turned((record.value or b"").decode(), scene.rng)
    hash_ = chain_hash(canonical(from_headers(record.headers)), data.encode())
    change = f"UPDATE {envelope.source}.journal SET data = $1, hash = $2 WHERE position = $3"
    named = at_row(envelope.source, position)
    return Tampering("journal: rewritten, hash fits", named, [(change, (data, hash_, position))])


def journal_removed(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    tables = scene.rng.choice([("journal",), ("journal", "published")])
    remove = [(f"DELETE FROM {envelope.source}.{each} WHERE position = $1", (position,))
              for each in tables]  # fmt: skip
    return Tampering(f"journal: {' and '.join(tables)} row removed", at_record(record), remove)


def journal_swapped(scene: Scene) -> Tampering:
    _, envelope, position = scene.record()
    source = envelope.source
    other = scene.rng.choice(
        [at for (each, *_), at in scene.positions.items() if each is source and at != position]
    )
    swap = (
        f"UPDATE {source}.journal AS j SET attributes = o.attributes, data = o.data, hash = o.hash"
        f" FROM {source}.journal AS o"
        " WHERE (j.position, o.position) IN (($1::bigint, $2::bigint), ($2, $1))"
    )
    named = at_row(source, position)
    return Tampering("journal: two rows swapped", named, [(swap, (position, other))])


def journal_moved(scene: Scene) -> Tampering:
    _, envelope, position = scene.record()
    move = f"UPDATE {envelope.source}.journal SET sequence = sequence + 50 WHERE position = $1"
    named = at_row(envelope.source, position)
    return Tampering("journal: another sequence", named, [(move, (position,))])


def journal_added(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    source, ahead = envelope.source, scene.rng.choice(["0 s", "1 hour", "9000 days"])
    added = 100_000 + position
    add = f"""
        INSERT INTO {source}.journal OVERRIDING SYSTEM VALUE
        SELECT $1, case_id, (SELECT max(sequence) + 1 FROM {source}.journal AS o
                             WHERE o.case_id = j.case_id),
               $2::uuid, event_type, attributes, data, hash, now() - interval '2 hours'
               + interval '{ahead}' FROM {source}.journal AS j WHERE position = $3"""
    statements: list[Statement] = [(add, (added, uuid4(), position))]
    if scene.rng.random() < 0.5:
        places = f"INSERT INTO {source}.published VALUES ($1, $2, $3)"
        statements.append((places, (added, record.partition, record.offset)))
    return Tampering("journal: a row added", at_row(source, added), statements)


def published_changed(scene: Scene) -> Tampering:
    _, envelope, position = scene.record()
    source = envelope.source
    what, statement = scene.rng.choice(
        [
            ("moved", f'UPDATE {source}.published SET "offset" = "offset" + 1 WHERE position = $1'),
            ("elsewhere", f"UPDATE {source}.published SET partition = 13 WHERE position = $1"),
            ("removed", f"DELETE FROM {source}.published WHERE position = $1"),
            ("waits again", f"INSERT INTO {source}.outbox VALUES ($1, now())"),
            ("added", f"INSERT INTO {source}.published VALUES ($1 + 200000, 0, 0)"),
            ("waits for nothing", f"INSERT INTO {source}.outbox VALUES ($1 + 200000, now())"),
        ]
    )
    at = position + 200_000 if "200000" in statement else position
    return Tampering(f"published: {what}", at_row(source, at), [(statement, (position,))])


# ---- the log ------------------------------------------------------------------------------------


def byte_flipped(scene: Scene) -> Tampering:
    """A byte of the very file that the broker has written."""
    place = scene.rng.choice(sorted({(r.topic, r.partition) for r in scene.office.records}))
    file = bytearray(segments.segment_of(scene.data, *place).read_bytes())
    start, end = scene.rng.choice(segments.batches_in(bytes(file)))
    at = scene.rng.randrange(start + segments.CHECKSUMMED_FROM, end)
    [first, *_] = next(
        records
        for records in segments.read(*place, bytes(file[start:end]))
        if isinstance(records, list)
    )
    file[at] ^= 1 << scene.rng.randrange(8)
    rest = [each for each in scene.office.records if (each.topic, each.partition) != place]
    batches = [*scene.log(rest), *segments.read(*place, bytes(file))]
    return Tampering(f"log: byte {at} of {place} turned", at_record(first), batches=batches)


def record_changed(scene: Scene) -> Tampering:
    record, _, _ = scene.record()
    what, spoilt = scene.rng.choice(
        [
            ("value", _with_value(record, scene.rng)),
            ("actor", _with_header(record, "ce_actor", b"staff:mallory")),
            ("turn", _with_header(record, "ce_turn", b"7")),
            ("sequence", _with_header(record, "ce_sequence", b"77")),
            ("time", _with_header(record, "ce_time", b"2026-02-30T00:00:00.000Z")),
            ("prevhash", _with_header(record, "ce_prevhash", b"f" * 64)),
            ("key", replace(record, key=str(uuid4()).encode())),
            ("no key", replace(record, key=None)),
            ("no value", replace(record, value=None)),
            ("header added", replace(record, headers=(*record.headers, ("note", b"x")))),
            ("header removed", replace(record, headers=record.headers[:-1])),
        ]
    )
    batches = scene.log([*scene.others(record), spoilt])
    return Tampering(f"log: {what} changed", at_record(record), batches=batches)


def record_removed(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    batches = scene.log(scene.others(record))
    named = at_row(envelope.source, position)
    return Tampering("log: a record removed", named, batches=batches)


def record_removed_and_closed_up(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    closed = [
        replace(each, offset=each.offset - 1) if _is_behind(each, record) else each
        for each in scene.others(record)
    ]
    named = at_row(envelope.source, position)
    return Tampering("log: a record removed, no hole", named, batches=scene.log(closed))


def records_swapped(scene: Scene) -> Tampering:
    record, envelope, position = scene.record(CASE_EVENTS)
    place = (record.topic, record.partition)
    near = [r for r in scene.others(record) if (r.topic, r.partition) == place]
    if not near:
        return record_removed(scene)
    other = scene.rng.choice(near)
    swapped = [replace(record, offset=other.offset), replace(other, offset=record.offset)]
    batches = scene.log([*scene.others(record, other), *swapped])
    named = at_row(envelope.source, position)
    return Tampering("log: two records swapped", named, batches=batches)


def record_added(scene: Scene) -> Tampering:
    record, _, _ = scene.record(CASE_EVENTS)
    end = scene.office.ends[record.topic, record.partition]
    stranger = CaseFacts().lodged()
    what, added = scene.rng.choice(
        [
            ("of no journal", replace(record, key=stranger.key, value=stranger.value,
                                      headers=tuple(stranger.headers))),
            ("in a place that is taken", _with_header(record, "ce_id", str(uuid4()).encode())),
            ("in other words", _with_value(record, scene.rng)),
            ("that is none", replace(record, key=b"x", value=b"x", headers=())),
        ]
    )  # fmt: skip
    added = replace(added, offset=end)
    batches = scene.log([*scene.office.records, added])
    return Tampering(f"log: a record added {what}", at_record(added), batches=batches)


def record_moved(scene: Scene) -> Tampering:
    record, envelope, position = scene.record(CASE_EVENTS)
    other = (record.partition + 1) % 12
    moved = replace(record, partition=other, offset=scene.office.ends[record.topic, other])
    batches = scene.log([*scene.others(record), moved])
    named = at_row(envelope.source, position)
    return Tampering("log: a record in another partition", named, batches=batches)


def log_cut(scene: Scene) -> Tampering:
    record, envelope, position = scene.record()
    kept = [each for each in scene.others(record) if not _is_behind(each, record)]
    named = at_row(envelope.source, position)
    return Tampering("log: cut short", named, batches=scene.log(kept))


# ---- small things -------------------------------------------------------------------------------


def _by_offset(records: Iterable[LogRecord]) -> list[LogRecord]:
    return sorted(records, key=lambda record: record.offset)


def _is_behind(each: LogRecord, record: LogRecord) -> bool:
    place, other = (each.topic, each.partition), (record.topic, record.partition)
    return place == other and each.offset > record.offset


def _turned(text: str, rng: random.Random) -> str:
    """With one letter or digit turned into another."""
    places = [place for place, sign in enumerate(text) if sign.isalnum()]
    at = rng.choice(places)
    new = rng.choice([sign for sign in "abcdef0123456789" if sign != text[at]])
    return f"{text[:at]}{new}{text[at + 1 :]}"


def _with_value(record: LogRecord, rng: random.Random) -> LogRecord:
    return replace(record, value=_turned((record.value or b"").decode(), rng).encode())


def _with_header(record: LogRecord, name: str, value: bytes) -> LogRecord:
    headers = tuple((each, value if each == name else old) for each, old in record.headers)
    return replace(record, headers=headers)


JOURNALS = (
    journal_changed, journal_rewritten, journal_removed, journal_swapped, journal_moved,
    journal_added, published_changed,
)  # fmt: skip
LOG = (
    byte_flipped, record_changed, record_removed, record_removed_and_closed_up, records_swapped,
    record_added, record_moved, log_cut,
)  # fmt: skip
