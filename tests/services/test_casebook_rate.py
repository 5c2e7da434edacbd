"""How fast the fold is: prints it, promises nothing."""

import gc
import time

import pytest

from services.casebook import folding, offsets
from services.casebook.arrivals import Raw, arrival_of
from services.casebook.schemas import MIGRATIONS
from shared.garbage import collect_rarely
from shared.messaging.topics import CASE_EVENTS
from shared.postgres.migrations import migrate
from shared.postgres.pool import open_pool
from tests.facts import CaseFacts

CASES = 5_000
AT_ONCE = 300
BATCH = 2_000


@pytest.mark.load
async def test_the_rate_of_the_fold(database: str) -> None:
    cases = [CaseFacts() for _ in range(CASES)]
    for case in cases:
        case.straight_through()
    # As a log looks while cases run straight through: some hundred of them side by side.
    windows = [cases[first : first + AT_ONCE] for first in range(0, CASES, AT_ONCE)]
    records = [case.written[place] for some in windows for place in range(6) for case in some]
    at = round(time.time() * 1000)
    raws = [
        Raw(CASE_EVENTS, 0, offset, at, record.key, record.headers, record.value)
        for offset, record in enumerate(records)
    ]
    async with await open_pool(database, schema="casebook", application_name="rate") as pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS, "casebook")
            await offsets.load(connection)
            gc.collect()
            usual = gc.get_threshold()
            collect_rarely()  # as casebook does
            began, cpu = time.perf_counter(), time.process_time()
            for first in range(0, len(raws), BATCH):
                batch = raws[first : first + BATCH]
                await folding.fold(connection, [arrival_of(raw) for raw in batch])
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            gc.set_threshold(*usual)
            gc.unfreeze()
        assert await pool.fetchval("SELECT count(*) FROM status WHERE state = 'issued'") == CASES
    print(  # noqa: T201
        f"\nfolded {len(raws)} events in batches of {BATCH}: {len(raws) / took:,.0f}/s"
        f" ({cpu / len(raws) * 1e6:.0f} us of CPU each)"
    )
