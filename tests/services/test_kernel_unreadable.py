"""Records that cannot be read set their case aside, and no other (D4, D7)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from services.executor.state import ExecutorCase
from shared.identifiers import Source, new_id
from shared.messaging.records import NOBODY
from tests.facts import Written
from tests.running import Running
from tests.stages import Site, registered_case, unknown_edition, unread

ASSIGNED = ["executor-assigned"]


async def told(site: Site, routing: Running, records: Sequence[Written]) -> int:
    await site.tell(records)
    return await routing.read()


# ---- records that cannot be read ----------------------------------------------------------------


def _with_header(record: Written, name: str, value: bytes | None) -> Written:
    headers: list[tuple[str, bytes | None]] = [*_without(record, name).headers, (name, value)]
    return replace(record, headers=headers)  # type: ignore[arg-type]  # null: not what we write


def _without(record: Written, name: str) -> Written:
    return replace(record, headers=[each for each in record.headers if each[0] != name])


def _due(record: Written, at: bytes) -> Written:
    assert record.value is not None
    head, _, rest = record.value.partition(b'"due":{"at":"')
    return record.but(value=head + b'"due":{"at":"' + at + rest[rest.index(b'"') :])


SPOILT: dict[str, tuple[Callable[[Written], Written], str]] = {
    "unknown type": (
        lambda record: record.but(type=b"qyzmet.intake.case-painted.v1"),
        "unknown type qyzmet.intake.case-painted.v1",
    ),
    "not the owner": (lambda record: record.but(source=b"signing"), "signing does not own"),
    "not JSON": (lambda record: record.but(value=b"\xff\x00{"), "ApplicationRegistered: "),
    "another shape": (lambda record: record.but(value=b'{"a": 1}'), "ApplicationRegistered: "),
    "too deep": (lambda record: record.but(value=b"[" * 100_000), "ApplicationRegistered: "),
    "no value": (lambda record: replace(record, value=None), "the record has no value"),
    "no sequence": (lambda record: _without(record, "ce_sequence"), "attribute 'sequence'"),
    "not UTF-8": (
        lambda record: _with_header(record, "ce_actor", b"\xff\xfe"),
        "header 'ce_actor'",
    ),
    "a null header": (lambda record: _with_header(record, "ce_actor", None), "header 'ce_actor'"),
    "a NUL": (lambda record: record.but(office=b"alm\x00aty"), "attribute 'office'"),
    "a NUL in a trace": (
        lambda record: _with_header(record, "ce_traceparent", b"00-\x00"),
        "attribute 'traceparent'",
    ),
    "a naive time": (lambda record: record.but(time=b"2026-03-02T04:00:00"), "attribute 'time'"),
    "sequence 0": (lambda record: record.but(sequence=b"0"), "attribute 'sequence'"),
    "sequence in words": (lambda record: record.but(sequence=b"two"), "attribute 'sequence'"),
    "a sequence beyond": (lambda record: record.but(sequence=b"9" * 5000), "attribute 'sequence'"),
    "before all time": (
        lambda record: _due(record, b"0001-01-01T00:00:00+06:00"),
        "ApplicationRegistered: ",
    ),
}


async def test_a_bad_record_sets_its_case_aside_and_no_other(site: Site, routing: Running) -> None:
    bad = {name: registered_case() for name in SPOILT}
    good = [registered_case() for _ in range(3)]
    records = [*good[0].written]
    for name, case in bad.items():
        lodged, registered = case.written
        records += [lodged, SPOILT[name][0](registered), case.withdrawal_requested()]
    await told(site, routing, [*records, *good[1].written])
    await told(site, routing, good[2].written)
    assert [await routing.events(case.case_id) for case in good] == [ASSIGNED] * 3
    for name, case in bad.items():
        reason = await routing.parked(case.case_id)
        assert reason is not None, name
        assert reason.startswith(SPOILT[name][1]), name
        assert reason.isprintable(), name
        assert await routing.events(case.case_id) == [], name
        assert len(await routing.aside(case.case_id)) == 2, f"{name}: the later one stands behind"


async def test_a_record_under_a_foreign_key_sets_the_case_of_the_key_aside(
    site: Site, routing: Running
) -> None:
    case, other = registered_case(), registered_case()
    moved = replace(other.written[0], key=case.written[0].key)
    await told(site, routing, [case.written[0], moved, case.written[1], *other.written])
    assert await routing.parked(case.case_id) == "the key is not the case of the envelope"
    assert await routing.events(other.case_id) == ASSIGNED


async def test_a_record_of_no_case_stands_aside_alone(site: Site, routing: Running) -> None:
    case = registered_case()
    keys = (None, b"", b"nobody", b"\xff", str(NOBODY).encode())
    lost = [replace(registered_case().written[0], key=key) for key in keys]
    await told(site, routing, [*lost, *case.written])
    assert await routing.events(case.case_id) == ASSIGNED
    assert len(await routing.aside(NOBODY)) == len(keys)


async def test_a_contradiction_sets_the_case_aside(site: Site, routing: Running) -> None:
    case = registered_case()
    lodged, registered = case.written
    other = registered.but(id=str(new_id()).encode())
    await told(site, routing, [lodged, registered, other])
    assert await routing.events(case.case_id) == ASSIGNED
    assert await routing.parked(case.case_id) == "another event was told at this place"
    assert len(await routing.aside(case.case_id)) == 1


async def test_a_spoilt_copy_of_a_fact_that_was_read_is_a_duplicate(
    site: Site, routing: Running
) -> None:
    case = registered_case()
    lodged, registered = case.written
    await told(site, routing, [lodged, registered, registered.but(value=b"{}")])
    assert await routing.parked(case.case_id) is None


async def test_a_fault_of_the_rules_sets_the_case_aside(site: Site, routing: Running) -> None:
    case, other = registered_case(), registered_case()
    lodged, registered = case.written
    await told(site, routing, [unknown_edition(lodged), registered, *other.written])
    reason = await routing.parked(case.case_id)
    assert reason is not None
    assert reason.startswith("fault in the rules: ")
    assert await routing.events(case.case_id) == []
    assert await routing.events(other.case_id) == ASSIGNED


async def test_cases_are_counted_and_not_the_records_behind_them(
    site: Site, routing: Running
) -> None:
    case, other = registered_case(), registered_case()
    lodged, registered = case.written
    bad = registered.but(value=b"{}")
    behind = [case.withdrawal_requested() for _ in range(4)]
    lost = replace(other.written[0], key=None)
    records = await unread(site, routing, [lodged, bad, *behind, lost])
    assert await routing.inbox.take(records) == 2
    more = await unread(site, routing, [case.withdrawal_requested()])
    assert await routing.inbox.take(more) == 0


# ---- what a stage asks of an event --------------------------------------------------------------


async def test_what_nobody_asks_an_event_stops_nobody(site: Site, routing: Running) -> None:
    """Where an event leads stands in its envelope: who needs no more goes on without the rest."""
    executor, case = await site.start(Source.EXECUTOR), registered_case()
    lodged, registered = case.written
    await site.tell([lodged, registered.but(value=b"{}"), case.assigned()])
    await routing.read()
    await executor.read()
    assert await routing.parked(case.case_id) is not None, "it needs the due that is not there"
    assert await executor.parked(case.case_id) is None
    text = await executor.pool.fetchval("SELECT state FROM cases WHERE case_id = $1", case.case_id)
    assert ExecutorCase.read(text).course.held_by(Source.EXECUTOR)


async def test_a_strangers_record_in_our_name_sets_its_case_aside(
    site: Site, routing: Running
) -> None:
    case, other = registered_case(), registered_case()
    lodged, registered = case.written
    mine = registered.but(value=b"{}", source=b"routing", sequence=b"1")
    mine = mine.but(type=b"qyzmet.routing.executor-assigned.v1")
    await told(site, routing, [lodged, mine, *other.written])
    reason = await routing.parked(case.case_id)
    assert reason is not None
    assert reason.startswith("ExecutorAssigned: ")
    assert await routing.events(other.case_id) == ASSIGNED
