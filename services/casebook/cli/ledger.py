"""The log taken in: as a ledger for mending, record by record for audits; with a bar."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.casebook.arrivals import LogRecord as ClientRecord
from services.casebook.cli.screen import Meter, Screen
from services.casebook.evidence import Damage, Flaw, LogRecord
from services.casebook.verification import LogLedger
from shared.messaging.log import Log, Place, open_log
from shared.messaging.polling import AT_ONCE
from shared.messaging.scanning import Missing, scan


async def take_in(
    screen: Screen,
    bootstrap: str,
    names: Sequence[str],
    ledger: LogLedger,
    begins: Mapping[Place, int] | None = None,
) -> None:
    """The records of some topics, up to their ends of now, into a ledger in memory.

    Raises Unavailable.
    """
    if not names:
        return
    async with open_log(bootstrap, names) as log:
        ends, starts = await log.ends(), await log.starts()
        first = {place: max(start, (begins or {}).get(place, 0)) for place, start in starts.items()}
        log.seek(first)
        total = sum(end - first[place] for place, end in ends.items())
        with screen.progress("log", total) as meter:
            async for records in log.read_to(ends, AT_ONCE):
                for record in records:
                    if record.offset < ends[record.topic, record.partition]:
                        ledger.take(came(record))
                meter.advance(len(records))


@dataclass
class Scanned:
    """The log up to where it ended at the beginning: `ends` are known once `batches` has begun."""

    log: Log
    meter: Meter
    ends: dict[Place, int] = field(default_factory=dict)

    async def batches(
        self, only: Sequence[Place] | None = None
    ) -> AsyncIterator[list[LogRecord] | Damage]:
        """All partitions, or some. Raises Unavailable."""
        ends = await self.log.ends()
        self.ends.update(ends if only is None else {place: ends[place] for place in only})
        starts = await self.log.starts()
        for place in self.ends:
            if starts[place] > 0:
                yield Damage(*place, 0, starts[place] - 1, Flaw.HOLE)
        async for batch in scan(self.log, starts, self.ends):
            if isinstance(batch, Missing):
                flaw = Flaw.DAMAGED if batch.damaged else Flaw.HOLE
                yield Damage(*batch[:4], flaw)
                self.meter.advance(batch.last - batch.first + 1)
                continue
            yield [came(record) for record in batch]
            self.meter.advance(len(batch))


def came(record: ClientRecord) -> LogRecord:
    """A record as evidence."""
    return LogRecord(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        tuple(record.headers),
        record.value,
        record.timestamp,
    )
