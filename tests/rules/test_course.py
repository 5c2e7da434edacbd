"""Who held a case when: derived from halves, whatever the order of reading."""

from itertools import permutations

from shared.course import Course, paper_of
from shared.events.event import Event
from shared.events.holder import CaseWithdrawn, WithdrawalDeclined
from shared.events.intake import Document, PaperAdded, RequestRejected
from shared.identifiers import Source
from tests.rules.samples import (
    ASKED,
    ASSIGNED,
    HOME_EDUCATION,
    REGISTERED,
    SIGNED,
    returned,
)
from tests.rules.scenario import NOW, Told, event_id, fact_of

INTAKE, ROUTING, EXECUTOR = Source.INTAKE, Source.ROUTING, Source.EXECUTOR
SIGNING, NOTIFY = Source.SIGNING, Source.NOTIFY
FIRST_REQUEST = event_id(INTAKE, 3)


def withdrawn(source: Source, turn: int) -> Told:
    return Told(CaseWithdrawn(request=FIRST_REQUEST, withdrawn_at=NOW), source=source, turn=turn)


def course(*told: Told | Event) -> Course:
    found = Course()
    sequences: dict[Source, int] = {}
    for one in told:
        fact = fact_of(one, found, sequences)
        sequences[fact.envelope.source] = fact.envelope.sequence
        found = found.heard(fact)
    return found


def test_intake_holds_from_lodging() -> None:
    lodged = course(HOME_EDUCATION.lodged())
    assert (lodged.turn, lodged.holder, lodged.ending) == (0, INTAKE, None)
    assert lodged.held_by(INTAKE)
    assert not lodged.held_by(ROUTING)


def test_nobody_holds_what_was_not_lodged() -> None:
    assert not Course().held_by(INTAKE)


def test_each_hand_off_raises_the_turn() -> None:
    told = HOME_EDUCATION.until_notify()
    path = (INTAKE, ROUTING, EXECUTOR, SIGNING, NOTIFY)
    for turn, holder in enumerate(path):
        now = course(*told[: turn + 1])
        assert (now.turn, now.holder, now.path) == (turn, holder, path[: turn + 1])


def test_a_returned_draft_goes_round_again() -> None:
    told = [*HOME_EDUCATION.until_signing(), returned(), HOME_EDUCATION.drafted(), SIGNED]
    assert course(*told).path == (INTAKE, ROUTING, EXECUTOR, SIGNING, EXECUTOR, SIGNING, NOTIFY)


def test_an_issued_case_is_over_and_its_last_holder_stays() -> None:
    over = course(*HOME_EDUCATION.until_issued())
    assert (over.ending, over.holder) == ("issued", NOTIFY)
    assert not over.held_by(NOTIFY)


def test_a_rejected_request_is_over_at_intake() -> None:
    rejected = RequestRejected(message="RF-S2", check="c", clause="R3 9.9", rejected_at=NOW)
    over = course(HOME_EDUCATION.lodged(), rejected)
    assert (over.ending, over.holder) == ("rejected", INTAKE)


def test_an_ending_by_somebody_who_did_not_hold_changes_nothing() -> None:
    told = [*HOME_EDUCATION.until_executor(), ASKED]
    assert course(*told, withdrawn(SIGNING, 2)).ending is None
    assert course(*told, withdrawn(ROUTING, 1)).ending is None
    assert course(*told, withdrawn(EXECUTOR, 3)).ending is None
    assert course(*told, withdrawn(EXECUTOR, 2)).ending == "withdrawn"


def test_a_hand_off_by_somebody_who_did_not_hold_changes_nothing() -> None:
    told = HOME_EDUCATION.until_executor()
    forged = Told(SIGNED, turn=2)
    assert course(*told, forged).holder is EXECUTOR
    assert course(*told, forged, HOME_EDUCATION.drafted()).holder is SIGNING


def test_a_source_moves_a_turn_on_once() -> None:
    signed_then_returned = [*HOME_EDUCATION.until_notify(), Told(returned().event, SIGNING, turn=3)]
    assert course(*signed_then_returned).holder is NOTIFY
    withdrawn_then_assigned = [
        *HOME_EDUCATION.until_routing(),
        ASKED,
        withdrawn(ROUTING, 1),
        Told(ASSIGNED, turn=1),
    ]
    over = course(*withdrawn_then_assigned)
    assert (over.holder, over.ending) == (ROUTING, "withdrawn")


def test_the_order_in_which_sources_are_read_changes_nothing() -> None:
    told: list[Event | Told] = [
        Told(HOME_EDUCATION.lodged(), turn=0),
        Told(REGISTERED, turn=0),
        Told(ASSIGNED, turn=1),
        Told(HOME_EDUCATION.drafted().event, turn=2),
        Told(returned().event, turn=3),
        Told(ASKED, turn=3),
        withdrawn(EXECUTOR, 4),
    ]
    whole = course(*told)
    assert (whole.ending, whole.turn) == ("withdrawn", 4)
    by_source: dict[Source, list[Event | Told]] = {}
    for one in told:
        source = fact_of(one, Course(), {}).envelope.source
        by_source.setdefault(source, []).append(one)
    for order in permutations(by_source.values()):
        mixed = course(*(one for half in order for one in half))
        assert mixed.written() == whole.written()


def test_two_answers_are_kept_in_one_order() -> None:
    answers = [
        Told(
            WithdrawalDeclined(request=event_id(INTAKE, sequence), declined_at=NOW),
            source=source,
            turn=9,
        )
        for sequence, source in ((4, ROUTING), (3, SIGNING))
    ]
    assert course(*answers) == course(*reversed(answers))


def test_the_oldest_wish_without_an_answer_is_open() -> None:
    told = [*HOME_EDUCATION.until_routing(), ASKED, ASKED]
    assert course(*told[:2]).open_request is None
    assert course(*told).open_request == event_id(INTAKE, 3)
    assert course(*told, withdrawn(ROUTING, 1)).open_request == event_id(INTAKE, 4)


def test_papers_are_kept_as_lodged_then_as_added() -> None:
    paper = Document(kind="power-of-attorney", state="provided")
    added = course(HOME_EDUCATION.lodged(), PaperAdded(document=paper, added_at=NOW))
    assert added.documents == tuple(map(paper_of, (*HOME_EDUCATION.documents, paper)))


def test_legality_is_judged_by_source_and_turn() -> None:
    known = course(*HOME_EDUCATION.until_executor())
    sequences: dict[Source, int] = {}
    right = fact_of(HOME_EDUCATION.drafted(), known, sequences)
    wrong = fact_of(Told(SIGNED, turn=2), known, sequences)
    early = fact_of(Told(SIGNED, turn=3), known, sequences)
    statement = fact_of(Told(ASKED, turn=7), known, sequences)
    assert known.judges(right) is True
    assert known.judges(wrong) is False
    assert known.judges(early) is None
    assert known.judges(statement) is True
