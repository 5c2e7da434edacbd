"""The envelope of a fact: CloudEvents 1.0, Kafka binding in binary mode (D12).

Everything about an event except what it says: who told it, of which case, in which place of the
source's own order, under which turn, and the hash that chains it to the one before. In the log
each attribute is a header `ce_<name>`; in the journal they are one JSON object with sorted names.
Those exact bytes, followed by the data, are what the chain hashes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec.json import Encoder

from shared.events.attributes import (
    CONTENT_TYPE,
    NAMES,
    Spelt,
    first_fault,
    is_well_spelt,
    spelt_in,
)
from shared.events.catalogue import Entry
from shared.events.event import Event, Kind, event_in
from shared.identifiers import CaseId, EventId, Source, rare_uuid_of, uuid_of

GENESIS: Final = "0" * 64
"""What the first event of a source in a case is chained to."""

_CANONICAL: Final = Encoder(order="sorted")
"""Sorted names, no blanks, UTF-8. Values are spelt without any sign that JSON escapes."""
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}


class MalformedEnvelope(Exception):
    """A record whose headers do not form an envelope; it names the attribute, not its value."""


@dataclass(frozen=True, slots=True)
class ProcedureRef:
    """Which text of the law a case runs by: `home-education@2016-08-25#<sha256 of the file>`."""

    id: str
    edition: str
    digest: str

    def __str__(self) -> str:
        return f"{self.id}@{self.edition}#{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "ProcedureRef":
        """Read back what `str` wrote. Raises ValueError when it is not of that form."""
        name, _, rest = text.partition("@")
        edition, _, digest = rest.partition("#")
        if not (name and edition and digest):
            raise ValueError("not <procedure>@<edition>#<digest>")
        return cls(name, edition, digest)


class Envelope(NamedTuple):
    """See the module. A tuple, because one is made for every record that is read.

    `time` is when the event was recorded; times with legal effect are data.
    """

    event_id: EventId
    type: str
    source: Source
    case_id: CaseId
    sequence: int
    turn: int
    time: datetime
    actor: str
    """`staff:<id>`, `rule:<name>`, `applicant:<reference>` or `operator:<id>`."""
    office: str
    procedure: str
    """A ProcedureRef as text, or `department` for facts of no case."""
    synthetic: bool
    prev_hash: str
    causation_id: EventId | None = None
    idempotency_key: str | None = None
    """SHA-256 of (actor, route, key), a colon, SHA-256 of the request: what dedupes a repeat."""
    traceparent: str | None = None

    def attributes(self) -> dict[str, str]:
        """The CloudEvents attributes by name, without the `ce_`, absent ones left out."""
        case_id = str(self.case_id)
        found = {
            "actor": self.actor,
            "correlationid": case_id,
            "id": str(self.event_id),
            "office": self.office,
            "prevhash": self.prev_hash,
            "procedure": self.procedure,
            "sequence": str(self.sequence),
            "source": self.source.value,
            "specversion": "1.0",
            "subject": case_id,
            "synthetic": "true" if self.synthetic else "false",
            "time": written(self.time),
            "turn": str(self.turn),
            "type": self.type,
        }
        if self.causation_id is not None:
            found["causationid"] = str(self.causation_id)
        if self.idempotency_key is not None:
            found["idempotencykey"] = self.idempotency_key
        if self.traceparent is not None:
            found["traceparent"] = self.traceparent
        return found

    @classmethod
    def from_attributes(cls, found: Mapping[str, str]) -> "Envelope":
        """Read an envelope back.

        Raises:
            MalformedEnvelope: an attribute is missing or is not of its type.
        """
        if not is_well_spelt(found):
            raise MalformedEnvelope(first_fault(found))
        causation = found.get("causationid")
        return cls(
            event_id=EventId(uuid_of(found["id"])),
            type=found["type"],
            source=_SOURCES[found["source"]],
            case_id=CaseId(uuid_of(found["subject"])),
            sequence=int(found["sequence"]),
            turn=int(found["turn"]),
            time=datetime.fromisoformat(found["time"]),
            actor=found["actor"],
            office=found["office"],
            procedure=found["procedure"],
            synthetic=_BOOLEANS[found["synthetic"]],
            prev_hash=found["prevhash"],
            causation_id=EventId(uuid_of(causation)) if causation is not None else None,
            idempotency_key=found.get("idempotencykey"),
            traceparent=found.get("traceparent"),
        )


def written(moment: datetime) -> str:
    """An instant as every header writes it: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical(attributes: Mapping[str, str]) -> str:
    """The bytes of the envelope that the journal keeps and the chain hashes, as text."""
    return _CANONICAL.encode(attributes).decode()


def chain_hash(canonical_attributes: str, data: bytes) -> str:
    """The hash that the next event of the same source and case carries as its `prevhash`."""
    digest = hashlib.sha256(canonical_attributes.encode())
    digest.update(b"\n")
    digest.update(data)
    return digest.hexdigest()


def to_headers(attributes: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """Kafka record headers in the binary content mode."""
    return [CONTENT_TYPE, *((f"ce_{name}", value.encode()) for name, value in attributes.items())]


def headers_of(envelope: Envelope) -> list[tuple[str, bytes]]:
    """The headers with which our relays send an envelope, byte by byte."""
    return to_headers(dict(sorted(envelope.attributes().items())))


def envelope_of(headers: Sequence[tuple[str, bytes | None]]) -> Envelope:
    """The envelope in the headers of a record. What we wrote ourselves is read in one look.

    Raises:
        MalformedEnvelope: a header is no text, or an attribute is missing or not of its type.
    """
    spelt = spelt_in(headers)
    if spelt is None:  # a null, no UTF-8, no day of any calendar: the long way names it
        return Envelope.from_attributes(from_headers(headers))
    return envelope_with(spelt)


def envelope_with(spelt: Spelt) -> Envelope:
    """The envelope of values that `spelt_in` found."""
    (
        actor, causation, case, event, idempotency_key, office, prev_hash, procedure,
        sequence, source, synthetic, time, traceparent, turn, type_,
    ) = spelt  # fmt: skip
    return Envelope(
        EventId(rare_uuid_of(event)),
        type_,
        _SOURCES[source],
        CaseId(uuid_of(case)),
        int(sequence),
        int(turn),
        datetime.fromisoformat(time),
        actor,
        office,
        procedure,
        _BOOLEANS[synthetic],
        prev_hash,
        EventId(rare_uuid_of(causation)) if causation else None,
        idempotency_key or None,
        traceparent or None,
    )


def spelt_of(envelope: Envelope) -> Spelt:
    """What `spelt_in` finds in the headers of an envelope."""
    found = envelope.attributes()
    return tuple(found.get(name, "") for name in NAMES)


def from_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The attributes in the headers of a record.

    Raises:
        MalformedEnvelope: a header is not UTF-8 or has no value.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if not name.startswith("ce_"):
            continue
        if value is None:
            raise MalformedEnvelope(f"header {name[:40]!r} has no value")
        try:
            found[name[3:]] = value.decode()
        except UnicodeDecodeError:
            raise MalformedEnvelope(f"header {name[:40]!r} is not UTF-8") from None
    return found


class Fact:
    """An event with its envelope and its line of the catalogue: what `evolve` folds.

    Of a record of the log the event is read when somebody first asks what it says: most facts of
    others only lead a case on, and where to stands in the catalogue. Who asks may learn that it
    is no such event, by MalformedEvent.
    """

    __slots__ = ("_data", "_event", "entry", "envelope")

    def __init__(
        self, envelope: Envelope, entry: Entry, event: Event | None, data: bytes = b""
    ) -> None:
        self.envelope = envelope
        self.entry = entry
        self._event = event
        self._data = data

    @property
    def event(self) -> Event:
        """What it says."""
        if self._event is None:
            self._event = event_in(self.entry.model, self._data)
        return self._event

    @property
    def model(self) -> type[Event]:
        """What kind of event it is; this needs no reading."""
        return self.entry.model

    @property
    def binds(self) -> bool:
        """Only the holder may tell this."""
        return self.entry.kind is not Kind.STATEMENT


_SOURCES: Final = {source.value: source for source in Source}
