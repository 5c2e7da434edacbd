"""The checker catches what it is there to catch: one thing is spoilt, one sentence names it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from tests.faults.doctored import ISSUED, KEYS, WITHDRAWN, Run, whole_run, with_record
from tests.faults.evidence import Evidence, Record
from tests.faults.history import Application, Told
from tests.faults.invariants import told, violations


def test_a_whole_run_violates_nothing() -> None:
    assert violations(whole_run().evidence()) == []


def test_duplicates_are_legal() -> None:
    evidence = whole_run().evidence()
    again = replace(evidence.log[2], place=("case-events", 0, len(evidence.log)))
    assert violations(at_the_end(evidence, again)) == []


# ---- the log ------------------------------------------------------------------------------------


def contradiction(run: Run) -> Evidence:
    evidence = run.evidence()
    other = with_record(evidence.log[2], id=str(UUID(int=77)))
    return at_the_end(evidence, replace(other, place=("case-events", 0, len(evidence.log))))


def changed_duplicate(run: Run) -> Evidence:
    evidence = run.evidence()
    again = replace(evidence.log[2], place=("case-events", 0, len(evidence.log)), data=b"{}  ")
    return at_the_end(evidence, again)


def gap(run: Run) -> Evidence:
    return changed_at(run, 5, sequence="3")


def broken_chain(run: Run) -> Evidence:
    return changed_at(run, 5, prevhash="f" * 64)


def edited_event(run: Run) -> Evidence:
    evidence = run.evidence()
    log = list(evidence.log)
    log[3] = replace(log[3], data=b'{"outcome": "refused"}')
    return replace(evidence, log=log)


def unknown_type(run: Run) -> Evidence:
    return changed_at(run, 8, type="qyzmet.notify.something.v9")


def lost_application(run: Run) -> Evidence:
    evidence = run.evidence()
    history = evidence.history
    history.note("c" * 64, Told("intake", 202, str(UUID(int=3)), 1, None))
    return evidence


def doubled_application(run: Run) -> Evidence:
    evidence = run.evidence()
    key = evidence.log[0].attributes["idempotencykey"]
    log = list(evidence.log)
    log[9] = with_record(log[9], idempotencykey=key)
    return replace(evidence, log=log)


def application_of_no_answer(run: Run) -> Evidence:
    evidence = run.evidence()
    evidence.history.applications[KEYS[WITHDRAWN]] = Application(KEYS[WITHDRAWN], attempts=1)
    return evidence


def unfinished(run: Run) -> Evidence:
    run.records = [each for each in run.records if "result-issued" not in each.attributes["type"]]
    return run.evidence()


def false_position(run: Run) -> Evidence:
    evidence = run.evidence()
    evidence.history.answers.append(Told("intake", 200, ISSUED, 2, "0:3"))
    return evidence


def answer_of_nothing(run: Run) -> Evidence:
    evidence = run.evidence()
    evidence.history.answers.append(Told("signing", 200, ISSUED, 9, None))
    return evidence


def bad_answer(run: Run) -> Evidence:
    evidence = run.evidence()
    evidence.history.faults.append("D2 POST /applications at intake was answered 500")
    return evidence


# ---- the path -----------------------------------------------------------------------------------


def stage_twice(run: Run) -> Evidence:
    run.tell(ISSUED, "routing", "executor-assigned", 1)
    return run.evidence()


def not_the_holder(run: Run) -> Evidence:
    run.tell(ISSUED, "executor", "paper-requested", 5)
    return run.evidence()


def turn_never_reached(run: Run) -> Evidence:
    run.tell(ISSUED, "executor", "paper-requested", 8)
    return run.evidence()


def decided_before_told(run: Run) -> Evidence:
    evidence = run.evidence()
    log = list(evidence.log)
    log[1], log[2] = replace(log[2], place=log[1].place), replace(log[1], place=log[2].place)
    return replace(evidence, log=log)


def ended_twice(run: Run) -> Evidence:
    run.tell(ISSUED, "notify", "case-withdrawn", 6, request=str(UUID(int=5)))
    return run.evidence()


def wish_unanswered(run: Run) -> Evidence:
    run.tell(ISSUED, "intake", "withdrawal-requested", 0)
    return run.evidence()


def wish_answered_twice(run: Run) -> Evidence:
    wish = run.tell(ISSUED, "intake", "withdrawal-requested", 0).attributes["id"]
    run.tell(ISSUED, "notify", "withdrawal-declined", 6, request=wish)
    run.tell(ISSUED, "notify", "withdrawal-declined", 6, request=wish)
    return run.evidence()


# ---- results ------------------------------------------------------------------------------------


def issued_twice(run: Run) -> Evidence:
    run.tell(ISSUED, "notify", "result-issued", 6, result_number="HE-2/1")
    return run.evidence()


def told_twice(run: Run) -> Evidence:
    run.tell(ISSUED, "notify", "notice-sent", 6)
    return run.evidence()


def no_message(run: Run) -> Evidence:
    return replace(run.evidence(), messages={})


def message_too_many(run: Run) -> Evidence:
    evidence = run.evidence()
    return replace(evidence, messages={**evidence.messages, "stranger": 1})


# ---- tables -------------------------------------------------------------------------------------


def full_outbox(run: Run) -> Evidence:
    return stage_with(run, outbox=(7,))


def errand_left(run: Run) -> Evidence:
    return stage_with(run, errands=1)


def parked(run: Run) -> Evidence:
    return stage_with(run, parked=("case x is set aside: fault in the rules",))


def journal_row_unpublished(run: Run) -> Evidence:
    evidence = run.evidence()
    routing = evidence.stages["routing"]
    more = replace(routing.journal[0], position=2, sequence=2, event_id=str(UUID(int=9)))
    return stage_with(run, journal=(*routing.journal, more))


def journal_row_missing(run: Run) -> Evidence:
    return stage_with(run, journal=())


def journal_says_otherwise(run: Run) -> Evidence:
    row = run.evidence().stages["routing"].journal[0]
    return stage_with(run, journal=(replace(row, data='{"executor": "other"}'),))


def published_elsewhere(run: Run) -> Evidence:
    return stage_with(run, published={1: (0, 0)})


def behind(run: Run) -> Evidence:
    offsets = {**run.evidence().stages["routing"].offsets, ("case-events", 0): (3, None)}
    return stage_with(run, offsets=offsets)


def remembers_another(run: Run) -> Evidence:
    evidence = run.evidence()
    end = evidence.ends["case-events", 0]
    return stage_with(
        run,
        offsets={**evidence.stages["routing"].offsets, ("case-events", 0): (end, "another")},
    )


def casebook_shows_otherwise(run: Run) -> Evidence:
    evidence = run.evidence()
    assert evidence.casebook is not None
    states = {**evidence.casebook.states, ISSUED: "signed"}
    return replace(evidence, casebook=replace(evidence.casebook, states=states))


def casebook_lacks_a_fact(run: Run) -> Evidence:
    evidence = run.evidence()
    assert evidence.casebook is not None
    timeline = {**evidence.casebook.timeline, WITHDRAWN: frozenset[str]()}
    return replace(evidence, casebook=replace(evidence.casebook, timeline=timeline))


SPOILT: tuple[tuple[Callable[[Run], Evidence], str], ...] = (
    (contradiction, "I2 .* told twice"),
    (changed_duplicate, "I2 .* the duplicate .* says something else"),
    (gap, r"I2 .* executor: sequences are \[1, 3\]"),
    (broken_chain, "I2 .* executor 2: the chain is broken"),
    (edited_event, "I2 .* executor 2: the chain is broken"),
    (unknown_type, "I2 .* unknown type"),
    (lost_application, r"I1 answered \[202\] .* in the log is none"),
    (doubled_application, "I1 one application became 2 cases"),
    (application_of_no_answer, "I1 every answer was a refusal or 503"),
    (unfinished, "I1 case .* has not ended"),
    (false_position, "I1 intake answered 200 .* the log has something else"),
    (answer_of_nothing, "I1 signing answered 200 .* is not in the log"),
    (bad_answer, "D2 .* was answered 500"),
    (stage_twice, "I2 .* executor-assigned 2 times"),
    (not_the_holder, "I2 .* paper-requested by executor in turn 5 of signing"),
    (turn_never_reached, "I2 .* paper-requested in turn 8"),
    (decided_before_told, "I2 .* executor-assigned stands before the hand-off"),
    (ended_twice, "I2 .* turn 6 was ended 2 times"),
    (wish_unanswered, "I7 .* the wish to withdraw has 0 answers"),
    (wish_answered_twice, "I7 .* the wish to withdraw has 2 answers"),
    (issued_twice, "I3 .* was issued 2 times"),
    (told_twice, "I3 .* has 2 notices"),
    (no_message, "I3 no message was sent"),
    (message_too_many, "I3 a message nobody should get: stranger"),
    (full_outbox, "I6 routing: 1 events wait in the outbox"),
    (errand_left, "I6 routing: 1 errands"),
    (parked, "I6 routing: case x is set aside"),
    (journal_row_unpublished, "I6 .* is in the journal and not in the log"),
    (journal_row_missing, "I6 .* is in the log and in no journal"),
    (journal_says_otherwise, "I6 .* says one thing in the journal"),
    (published_elsewhere, "I6 routing: position 1 is not at 0:0"),
    (behind, "I7 routing has read case-events 0 to 3"),
    (remembers_another, "I7 routing remembers another"),
    (casebook_shows_otherwise, "I4 casebook shows .* as signed, it is issued"),
    (casebook_lacks_a_fact, "I4 casebook's timeline"),
)


@pytest.mark.parametrize(("spoil", "sentence"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
def test_what_is_spoilt_is_named(spoil: Callable[[Run], Evidence], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        complain(violations(spoil(whole_run())))


def complain(found: list[str]) -> None:
    if found:
        raise AssertionError(told(found))


def at_the_end(evidence: Evidence, record: Record) -> Evidence:
    """One more record; everybody has read it."""
    part, following = record.place[:2], record.place[2] + 1
    offsets = {
        **evidence.stages["routing"].offsets,
        part: (following, record.attributes["id"]),
    }
    assert evidence.casebook is not None
    return replace(
        evidence,
        log=(*evidence.log, record),
        ends={**evidence.ends, part: following},
        stages={name: replace(each, offsets=offsets) for name, each in evidence.stages.items()},
        casebook=replace(evidence.casebook, offsets=offsets),
    )


def changed_at(run: Run, place: int, **changes: str) -> Evidence:
    """The log alone says something else at one place."""
    evidence = run.evidence()
    log = list(evidence.log)
    log[place] = with_record(log[place], **changes)
    return replace(evidence, log=log)


def stage_with(run: Run, **changes: object) -> Evidence:
    """Routing's tables say something else."""
    evidence = run.evidence()
    routing = replace(evidence.stages["routing"], **changes)  # type: ignore[arg-type]
    return replace(evidence, stages={**evidence.stages, "routing": routing})
