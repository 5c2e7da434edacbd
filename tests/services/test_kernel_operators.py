"""What operators see of parked cases, and what they may not do about them (D7)."""

import pytest

from shared.errors import Refused
from tests.facts import CaseFacts, Written
from tests.running import Running
from tests.stages import Site, registered_case

ASSIGNED = "executor-assigned"
RESOLVED = "parked-resolved"


@pytest.fixture
def case() -> CaseFacts:
    return registered_case()


async def told(site: Site, stage: Running, *records: Written) -> list[tuple[int, int]]:
    places = await site.tell(records)
    await stage.read()
    return places


# ---- what is refused ----------------------------------------------------------------------------


async def test_only_records_that_stand_aside_are_resolved(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    with pytest.raises(Refused, match="only a case that was set aside is resolved"):
        await routing.resolve(case.case_id)
    lodged, registered = case.written
    places = await told(site, routing, lodged, registered.but(value=b"{}"))
    with pytest.raises(Refused, match="an operator skips a record that stands aside"):
        await routing.resolve(case.case_id, "skipped", places[0])
    assert await routing.parked(case.case_id) is not None


async def test_the_list_shows_what_stands_aside_and_never_what_it_says(
    site: Site, routing: Running, case: CaseFacts
) -> None:
    lodged, registered = case.written
    canary = b'{"Nurlan-Canary-880101300017": "Nurlan-Canary"}'
    bad = registered.but(value=canary, office=b"Nurlan Canary", synthetic=b"Nurlan Canary")
    places = await told(site, routing, lodged, bad, registered.but(value=canary))
    rows = await routing.resolving.standing_aside(None, 10)
    assert [(row["partition"], row["offset"]) for row in rows] == places[1:]
    assert "Canary" not in str(rows)
    assert "8801" not in str(rows)
