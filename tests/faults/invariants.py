"""What has to hold after every run, whatever was killed, frozen or cut meanwhile (goals, 3.3).

`violations` takes the evidence of a run that has gone quiet and gives one sentence for each thing
that is wrong; an empty list is what every fault test asks for.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults.evidence import Evidence, Partition, StageTables, said
from tests.faults.path import path_violations, withdrawal_violations
from tests.faults.reading import Fact, Reading, read

SHOWN_MAX = 40
_ENDS = {"result-issued": "issued", "case-withdrawn": "withdrawn", "request-rejected": "rejected"}


def violations(evidence: Evidence) -> list[str]:
    """Everything that is wrong, the most telling first."""
    reading = read(evidence.log)
    return [
        *evidence.history.faults,
        *reading.violations,
        *lodged_once_and_ended(evidence, reading),
        *what_clients_were_told(evidence, reading),
        *path_violations(reading, in_order=evidence.in_order),
        *withdrawal_violations(reading),
        *one_result(evidence, reading),
        *nothing_left_to_do(evidence),
        *journals_are_the_log(evidence, reading),
        *read_to_the_end(evidence),
        *read_side_agrees(evidence, reading),
    ]


def told(found: Sequence[str]) -> str:
    """The violations for a person: how many, and the first of them."""
    shown = "\n".join(f"  {each}" for each in found[:SHOWN_MAX])
    return (
        f"{len(found)} violations"
        + (f", the first {SHOWN_MAX}" * (len(found) > SHOWN_MAX))
        + (f":\n{shown}" if found else "")
    )


def lodged_once_and_ended(evidence: Evidence, reading: Reading) -> Iterator[str]:
    """I1: what was acknowledged is in the log exactly once and is over; what was not, is not."""
    lodged: dict[str, list[str]] = {}
    for fact in reading.named("application-lodged"):
        key = fact.attributes.get("idempotencykey", "").partition(":")[0]
        lodged.setdefault(key, []).append(fact.case_id)
    endings = {case_id: _ending(facts) for case_id, facts in reading.cases.items()}
    for key, application in evidence.history.applications.items():
        cases = lodged.get(key, [])
        answered = {told.case_id for told in application.told}
        if len(cases) > 1:
            yield f"I1 one application became {len(cases)} cases: {', '.join(cases)}"
        if application.acknowledged and answered != set(cases):
            statuses = sorted({told.status for told in application.told})
            yield f"I1 answered {statuses} with {sorted(answered)}, in the log is {cases or 'none'}"
        if application.surely_not_recorded and cases:
            yield f"I1 every answer was a refusal or 503, but {cases} is in the log"
    for case_id, ending in endings.items():
        if ending is None:
            names = [fact.name for fact in reading.cases[case_id]]
            yield f"I1 case {case_id} has not ended: {', '.join(names)}"


def what_clients_were_told(evidence: Evidence, reading: Reading) -> Iterator[str]:
    """I1 for every command: an answer that says "done" names an event that is in the log."""
    facts = {
        (fact.case_id, fact.source, fact.sequence)
        for of_case in (*reading.cases.values(), reading.department)
        for fact in of_case
    }
    places = {record.place: record for record in evidence.log}
    for answer in evidence.history.answers:
        where = f"{answer.source} answered {answer.status} for {answer.case_id} {answer.sequence}"
        if (answer.case_id, answer.source, answer.sequence) not in facts:
            yield f"I1 {where}, which is not in the log"
        if answer.position is None or not evidence.same_log:
            continue
        partition, _, offset = answer.position.partition(":")
        found = [
            record
            for topic in ("case-events", "department-events")
            if (record := places.get((topic, int(partition), int(offset)))) is not None
        ]
        mine = (answer.source, str(answer.sequence))
        if not any(
            record.case_id == answer.case_id
            and (record.attributes["source"], record.attributes["sequence"]) == mine
            for record in found
        ):
            yield f"I1 {where} at {answer.position}, where the log has something else"


def one_result(evidence: Evidence, reading: Reading) -> Iterator[str]:
    """I3: one result for each case that was issued, one notice, one message under one key."""
    wanted: set[str] = set()
    numbers: Counter[object] = Counter()
    for case_id, facts in reading.cases.items():
        counts = Counter(fact.name for fact in facts)
        issued = [fact for fact in facts if fact.name == "result-issued"]
        notices = counts["notice-sent"] + counts["notice-failed"]
        lodged = next((fact for fact in facts if fact.name == "application-lodged"), None)
        asked = lodged is not None and lodged.says.get("notice") is not None
        numbers.update(fact.says["result_number"] for fact in issued)
        if len(issued) > 1:
            yield f"I3 {case_id} was issued {len(issued)} times"
        if issued and asked:
            wanted.add(issued[0].event_id)
        if notices != (1 if issued and asked else 0):
            yield f"I3 {case_id} has {notices} notices, asked for: {asked}, issued: {bool(issued)}"
        if counts["notice-failed"]:
            yield f"I3 {case_id}: the notice failed, though the gateway takes every message"
    yield from (f"I3 number {number} was given {n} times" for number, n in numbers.items() if n > 1)
    sent = set(evidence.messages)
    yield from (f"I3 no message was sent for the result {key}" for key in sorted(wanted - sent))
    yield from (f"I3 a message nobody should get: {key}" for key in sorted(sent - wanted))


def nothing_left_to_do(evidence: Evidence) -> Iterator[str]:
    """I6: outboxes and errands are empty, nothing stands aside."""
    for stage, tables in evidence.stages.items():
        if tables.outbox:
            yield f"I6 {stage}: {len(tables.outbox)} events wait in the outbox"
        if tables.errands:
            yield f"I6 {stage}: {tables.errands} errands were not carried out"
        yield from (f"I6 {stage}: {each}" for each in tables.parked)
    if evidence.casebook is not None:
        yield from (f"I6 casebook: {each}" for each in evidence.casebook.parked)


def journals_are_the_log(evidence: Evidence, reading: Reading) -> Iterator[str]:
    """Every journal row is in the topic, byte by byte, and nothing else is."""
    facts = {
        (fact.source, fact.case_id, fact.sequence): fact
        for of_case in (*reading.cases.values(), reading.department)
        for fact in of_case
    }
    ids = {record.place: record.attributes["id"] for record in evidence.log}
    for stage, tables in evidence.stages.items():
        yield from _journal_is_told(stage, tables, facts)
        yield from _published_is_there(stage, tables, ids)
    yield from (f"I6 {place} is in the log and in no journal" for place in sorted(facts))


def _journal_is_told(
    stage: str, tables: StageTables, facts: dict[tuple[str, str, int], Fact]
) -> Iterator[str]:
    """Takes what it finds out of `facts`: what is left is in no journal."""
    for row in tables.journal:
        place = (stage, row.case_id, row.sequence)
        fact = facts.pop(place, None)
        if fact is None:
            yield f"I6 {place} is in the journal and not in the log"
        elif fact.event_id != row.event_id:
            yield f"I6 {place} is {row.event_id} in the journal and {fact.event_id} in the log"
        elif fact.data != row.data.encode() or said(row.attributes) != fact.attributes:
            yield f"I6 {place} says one thing in the journal and another in the log"


def _published_is_there(
    stage: str, tables: StageTables, ids: dict[tuple[str, int, int], str]
) -> Iterator[str]:
    for row in tables.journal:
        found = tables.published.get(row.position)
        if found is None:
            yield f"I6 {stage}: position {row.position} is not marked as published"
        elif row.event_id not in {
            ids.get((topic, *found)) for topic in ("case-events", "department-events")
        }:
            yield f"I6 {stage}: position {row.position} is not at {found[0]}:{found[1]} of the log"


def read_to_the_end(evidence: Evidence) -> Iterator[str]:
    """I7: everybody stands at the end of the log and remembers its last record."""
    last = {record.place[:2]: record.attributes["id"] for record in evidence.log}
    readers = {stage: tables.offsets for stage, tables in evidence.stages.items()}
    if evidence.casebook is not None:
        readers["casebook"] = evidence.casebook.offsets
    for reader, offsets in readers.items():
        for part, end in evidence.ends.items():
            following, event_id = offsets.get(part, (0, None))
            if following != end:
                yield f"I7 {reader} has read {_name(part)} to {following}, it ends at {end}"
            elif end and event_id != last.get(part):
                yield f"I7 {reader} remembers {event_id} at the end of {_name(part)}"


def read_side_agrees(evidence: Evidence, reading: Reading) -> Iterator[str]:
    """I4 in short: casebook shows each case as it ended, with every fact and no other."""
    book = evidence.casebook
    if book is None:
        return
    for case_id, facts in reading.cases.items():
        ids = {fact.event_id for fact in facts}
        if book.timeline.get(case_id, frozenset()) != ids:
            yield f"I4 casebook's timeline of {case_id} is not what the log says"
        ending = _ending(facts)
        if ending is not None and book.states.get(case_id) != ending:
            yield f"I4 casebook shows {case_id} as {book.states.get(case_id)}, it is {ending}"
    yield from (f"I4 casebook knows {case}" for case in sorted(book.states.keys() - reading.cases))


def _ending(facts: Sequence[Fact]) -> str | None:
    return next((_ENDS[fact.name] for fact in facts if fact.name in _ENDS), None)


def _name(part: Partition) -> str:
    return f"{part[0]} {part[1]}"
