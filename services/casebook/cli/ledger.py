"""The log taken in as a ledger, with a bar while it lasts."""

from collections.abc import Mapping, Sequence

from services.casebook.arrivals import LogRecord as ClientRecord
from services.casebook.cli.screen import Screen
from services.casebook.evidence import LogRecord
from services.casebook.verification import LogLedger
from shared.messaging.log import Place, open_log


async def take_in(
    screen: Screen,
    bootstrap: str,
    names: Sequence[str],
    ledger: LogLedger,
    begins: Mapping[Place, int] | None = None,
) -> dict[Place, int]:
    """The records of some topics, up to their ends of now; which are given back.

    Raises Unavailable.
    """
    if not names:
        return {}
    async with open_log(bootstrap, names) as log:
        ends, starts = await log.ends(), await log.starts()
        first = {place: max(start, (begins or {}).get(place, 0)) for place, start in starts.items()}
        log.seek(first)
        total = sum(end - first[place] for place, end in ends.items())
        with screen.progress("log", total) as meter:
            async for records in log.read_to(ends):
                for record in records:
                    if record.offset < ends[record.topic, record.partition]:
                        ledger.take(_came(record))
                meter.advance(len(records))
    return ends


def _came(record: ClientRecord) -> LogRecord:
    headers = tuple(record.headers)
    place = record.topic, record.partition, record.offset
    return LogRecord(*place, record.key, headers, record.value)
