"""Log against journals without any service: every kind of tampering is found, at its record."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.casebook.evidence import Finding, Findings, Flaw, LogRecord, Recorded
from services.casebook.saying import canonical_text
from services.casebook.verification import (
    JournalReader,
    LogLedger,
    stray,
    unknown_to_journals,
)
from shared.events.envelope import Envelope, canonical, chain_hash, from_headers
from shared.identifiers import Source
from shared.messaging.log import Place
from shared.messaging.topics import CASE_EVENTS
from tests.changed import replace
from tests.facts import START, CaseFacts

BEGAN = START + timedelta(days=1)


def told(cases: int) -> tuple[list[LogRecord], list[Recorded]]:
    """What log and journals hold of some cases that ran straight through."""
    records: list[LogRecord] = []
    rows: list[Recorded] = []
    for place in range(cases):
        case = CaseFacts()
        for written in case.straight_through():
            partition = place % 3
            offset = sum(record.partition == partition for record in records)
            assert written.value is not None
            records.append(
                LogRecord(
                    CASE_EVENTS,
                    partition,
                    offset,
                    written.key,
                    tuple(written.headers),
                    written.value,
                )
            )
            rows.append(recorded(records[-1], position=len(rows) + 1))
    return records, rows


def recorded(record: LogRecord, position: int) -> Recorded:
    """The row of the journal from which a record was sent."""
    attributes = from_headers(record.headers)
    envelope = Envelope.from_attributes(attributes)
    text, data = canonical(attributes), record.value or b""
    return Recorded(
        source=envelope.source,
        position=position,
        case_id=envelope.case_id,
        sequence=envelope.sequence,
        event_id=envelope.event_id,
        event_type=envelope.type,
        attributes=text,
        data=data.decode(),
        hash=chain_hash(text, data),
        recorded_at=envelope.time,
        partition=record.partition,
        offset=record.offset,
        waits=False,
    )


def ends_of(records: Sequence[LogRecord]) -> dict[Place, int]:
    return {
        (CASE_EVENTS, partition): 1
        + max((r.offset for r in records if r.partition == partition), default=-1)
        for partition in range(3)
    }


def compare(
    records: Sequence[LogRecord],
    rows: Sequence[Recorded],
    *,
    tail: Sequence[LogRecord] = (),
    began: datetime = BEGAN,
) -> list[Finding]:
    """What verify finds, case by case as the command goes through them."""
    findings = Findings()
    ends = ends_of(records)
    later = LogLedger(Findings())
    for record in tail:
        later.take(record)
    readers = {source: JournalReader(findings, ends, began) for source in Source}
    for key in sorted({record.key or b"" for record in records}):
        ledger = LogLedger(findings)
        for record in records:
            if record.key == key:
                ledger.take(record)
        ledger.conclude()
        ledger.judge()
        mine = [row for row in rows if str(row.case_id).encode() == key]
        for row in sorted(mine, key=lambda row: row.sequence):
            readers[row.source].take(row, ledger)
        unknown_to_journals(ledger, findings)
    for reader in readers.values():
        reader.settle(later)
    return findings.kept


def flaws(findings: Sequence[Finding]) -> set[Flaw]:
    return {finding.flaw for finding in findings}


def spoilt(record: LogRecord, at: int) -> LogRecord:
    """The record with one bit of its value turned."""
    value = bytearray(record.value or b"")
    value[at % len(value)] ^= 1
    return replace(record, value=bytes(value))


def test_what_the_relay_sent_is_found_whole() -> None:
    assert compare(*told(4)) == []


def test_duplicates_are_legal() -> None:
    records, rows = told(2)
    again = [replace(record, offset=record.offset + 6) for record in records]
    assert compare([*records, *again], rows) == []


def test_a_row_may_be_published_at_its_second_copy() -> None:
    records, rows = told(1)
    copy = replace(records[2], offset=6)
    rows[2] = replace(rows[2], offset=6)
    assert compare([*records, copy], rows) == []


@given(some.integers(0, 11), some.integers(0, 5000))
def test_a_bit_turned_in_the_log_is_found_at_its_record(which: int, at: int) -> None:
    records, rows = told(2)
    victim = records[which]
    records[which] = spoilt(victim, at)
    found = compare(records, rows)
    assert Flaw.DIFFERS in flaws(found)
    named = next(finding for finding in found if finding.flaw is Flaw.DIFFERS)
    assert named.record == victim.name
    assert named.position == rows[which].position


@given(some.integers(0, 11), some.integers(0, 5000))
def test_a_bit_turned_in_a_journal_is_found_at_its_row(which: int, at: int) -> None:
    records, rows = told(2)
    data = bytearray(rows[which].data.encode())
    data[at % len(data)] ^= 1
    rows[which] = replace(rows[which], data=data.decode(errors="replace"))
    found = compare(records, rows)
    named = {finding.flaw: finding for finding in found}
    assert named[Flaw.JOURNAL_HASH].position == rows[which].position
    assert named[Flaw.DIFFERS].position == rows[which].position


def test_a_row_rewritten_with_a_fitting_hash_differs_from_the_log() -> None:
    records, rows = told(1)
    data = rows[1].data.replace("HE-2026", "HE-2027")
    rows[1] = replace(rows[1], data=data, hash=chain_hash(rows[1].attributes, data.encode()))
    found = compare(records, rows)
    assert flaws(found) == {Flaw.DIFFERS}
    assert found[0].sequence == 2


@pytest.mark.parametrize("which", [0, 3, 5])
def test_a_record_taken_out_of_the_log_is_named(which: int) -> None:
    records, rows = told(1)
    missing = records.pop(which)
    found = compare(records, rows)
    named = next(finding for finding in found if finding.flaw is Flaw.LOST)
    assert (named.source, named.sequence) == (rows[which].source, rows[which].sequence)
    assert missing.name in named.expected


def test_a_log_cut_short_is_found_though_nothing_follows() -> None:
    records, rows = told(3)
    found = compare(records[:-4], rows)
    assert flaws(found) == {Flaw.LOST}
    assert len(found) == 4


def test_what_was_published_meanwhile_is_not_lost() -> None:
    records, rows = told(3)
    assert compare(records[:-4], rows, tail=records[-4:], began=START) == []


def test_a_row_taken_out_of_a_journal_is_named() -> None:
    records, rows = told(1)
    del rows[0]
    found = compare(records, rows)
    assert flaws(found) == {Flaw.JOURNAL_GAP, Flaw.UNKNOWN}
    unknown = next(finding for finding in found if finding.flaw is Flaw.UNKNOWN)
    assert unknown.record == records[0].name


def test_another_event_in_a_place_that_is_taken_is_a_contradiction() -> None:
    records, rows = told(1)
    headers = [
        (name, str(uuid4()).encode() if name == "ce_id" else value)
        for name, value in records[4].headers
    ]
    other = replace(records[4], offset=6, headers=tuple(headers))
    found = compare([*records, other], rows)
    assert [(finding.flaw, finding.record) for finding in found] == [
        (Flaw.CONTRADICTION, other.name)
    ]


def test_the_same_event_in_other_words_is_found() -> None:
    records, rows = told(1)
    other = replace(spoilt(records[4], 40), offset=6)
    found = compare([*records, other], rows)
    assert [(finding.flaw, finding.record) for finding in found] == [(Flaw.OTHER_WORDS, other.name)]


def test_a_record_under_another_key_is_unreadable() -> None:
    records, rows = told(1)
    records[3] = replace(records[3], key=str(uuid4()).encode())
    found = compare(records, rows)
    named = Finding(Flaw.UNREADABLE, *rows[3].key, records[3].name, found="the key is not the case")
    assert named in found
    assert {Flaw.UNREADABLE, Flaw.LOST} <= flaws(found)


def test_a_header_beside_the_envelope_is_found() -> None:
    records, rows = told(1)
    records[3] = replace(records[3], headers=(*records[3].headers, ("note", b"x")))
    assert Flaw.UNREADABLE in flaws(compare(records, rows))


def test_a_record_of_no_case_is_unreadable() -> None:
    records, rows = told(1)
    stranger = LogRecord(CASE_EVENTS, 0, 6, b"no case", (("ce_id", b"1"),), b"{}")
    found = compare([*records, stranger], rows)
    assert [(finding.flaw, finding.record) for finding in found] == [
        (Flaw.UNREADABLE, stranger.name)
    ]


def test_a_place_that_published_does_not_have_is_found() -> None:
    records, rows = told(1)
    rows[2] = replace(rows[2], offset=rows[2].offset + 1 if rows[2].offset is not None else None)
    found = compare(records, rows)
    assert flaws(found) == {Flaw.ELSEWHERE}


@pytest.mark.parametrize("waits", [True, False])
def test_what_is_recorded_and_not_published_is_found(waits: bool) -> None:
    records, rows = told(1)
    last = records.pop()
    rows[-1] = replace(rows[-1], partition=None, offset=None, waits=waits)
    found = compare(records, rows)
    assert last.offset == 5
    assert [finding.flaw for finding in found] == [Flaw.UNPUBLISHED]


def test_what_was_recorded_meanwhile_is_not_judged() -> None:
    records, rows = told(1)
    records.pop()
    rows[-1] = replace(rows[-1], partition=None, offset=None, waits=True)
    assert compare(records, rows, began=START) == []


def test_columns_that_disagree_with_the_envelope_are_found() -> None:
    records, rows = told(1)
    rows[0] = replace(rows[0], event_type="qyzmet.intake.paper-added.v1")
    assert flaws(compare(records, rows)) == {Flaw.JOURNAL_COLUMNS}


def test_a_chain_rewritten_from_the_start_is_found_against_the_log() -> None:
    records, rows = told(1)
    attributes = json.loads(rows[0].attributes) | {"office": "other"}
    text = canonical(attributes)
    rows[0] = replace(rows[0], attributes=text, hash=chain_hash(text, rows[0].data.encode()))
    assert flaws(compare(records, rows)) == {Flaw.DIFFERS, Flaw.JOURNAL_CHAIN}


def test_a_row_recorded_in_the_future_is_not_taken_for_a_new_one() -> None:
    records, rows = told(1)
    ahead = BEGAN + timedelta(days=3)
    new = rows[-1].sequence + 1
    rows.append(
        replace(rows[-1], sequence=new, recorded_at=ahead, partition=None, offset=None, position=99)
    )
    found = compare(records, rows)
    assert Finding(
        Flaw.UNPUBLISHED, *rows[-1].key, position=99,
        expected="published, or in the outbox", found="neither",
    ) in found  # fmt: skip


def test_a_time_of_recording_that_was_changed_is_found() -> None:
    records, rows = told(1)
    rows[2] = replace(rows[2], recorded_at=rows[2].recorded_at + timedelta(milliseconds=1))
    assert flaws(compare(records, rows)) == {Flaw.JOURNAL_COLUMNS}


def test_who_tells_without_holding_the_case_is_found() -> None:
    case = CaseFacts()
    case.lodged()
    case.registered()
    stranger = case.drafted()  # executor, while routing holds
    records = [
        LogRecord(CASE_EVENTS, 0, offset, each.key, tuple(each.headers), each.value)
        for offset, each in enumerate(case.written)
    ]
    rows = [recorded(record, position) for position, record in enumerate(records, start=1)]
    [finding] = compare(records, rows)
    assert (finding.flaw, finding.source) == (Flaw.NOT_HOLDER, Source.EXECUTOR)
    assert finding.record == f"{CASE_EVENTS} 0:2"
    assert finding.expected == "turn 1 held by routing"
    assert stranger.event_id == rows[2].event_id


def test_who_passes_a_turn_on_twice_is_found() -> None:
    case = CaseFacts()
    case.lodged()
    case.registered()
    case.turn = 0
    case.registered()
    records = [
        LogRecord(CASE_EVENTS, 0, offset, each.key, tuple(each.headers), each.value)
        for offset, each in enumerate(case.written)
    ]
    rows = [recorded(record, position) for position, record in enumerate(records, start=1)]
    [finding] = compare(records, rows)
    assert (finding.flaw, finding.sequence) == (Flaw.NOT_HOLDER, 3)


def test_the_text_that_is_hashed_is_put_together_as_json_would() -> None:
    for record in told(1)[0]:
        headers = record.headers
        assert canonical_text(headers).decode() == canonical(from_headers(headers))
        shuffled = (*headers[5:], *headers[:5])
        assert canonical_text(shuffled).decode() == canonical(from_headers(headers))


def test_a_position_without_a_row_is_found() -> None:
    findings = Findings()
    stray(Source.SIGNING, "published", [7], findings)
    assert [(finding.flaw, finding.position) for finding in findings.kept] == [(Flaw.STRAY, 7)]


def test_only_the_first_thousand_findings_are_kept_and_all_are_counted() -> None:
    findings = Findings()
    stray(Source.SIGNING, "published", range(1500), findings)
    assert len(findings.kept) == 1000
    assert findings.counts.total() == 1500
