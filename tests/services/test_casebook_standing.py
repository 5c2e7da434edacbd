"""The fold of a case in memory: as the stages judge it, in whatever order facts are read."""

from collections.abc import Sequence
from time import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.casebook.admission import CaseFile, admit
from services.casebook.arrivals import Arrival, Raw, arrival_of
from services.casebook.standing import Standing, now_of
from shared.course import Course
from shared.identifiers import Source, Step
from tests.facts import CaseFacts, Written

WALKS = (
    "registered", "assigned", "drafted", "signed", "returned", "issued", "rejected",
    "withdrawal_requested", "paper_requested", "notice_sent", "erased", "overdue", "withdrawn",
)  # fmt: skip


def arrivals(written: Sequence[Written]) -> list[Arrival]:
    return [
        arrival_of(
            Raw(each.topic, 0, offset, round(time() * 1000), each.key, each.headers, each.value)
        )
        for offset, each in enumerate(written)
    ]


def told(walk: Sequence[tuple[str, Source, int]]) -> CaseFacts:
    """A case that was told all kinds of things, lawful or not, in any turn."""
    case = CaseFacts()
    case.lodged()
    wish = case.withdrawal_requested().event_id
    for name, source, turn in walk:
        case.turn = turn
        if name == "overdue":
            case.overdue(source, Step.ASSIGN)
        elif name == "withdrawn":
            case.withdrawn(source, wish)
        else:
            getattr(case, name)()
    return case


walks = st.lists(
    st.tuples(st.sampled_from(WALKS), st.sampled_from(Source), st.integers(0, 5)), max_size=12
)
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(walks)
def test_the_course_is_judged_as_the_stages_judge_it(
    walk: list[tuple[str, Source, int]],
) -> None:
    course, standing = Course(), Standing()
    for arrival in arrivals(told(walk).written):
        telling = arrival.fact
        assert telling is not None, arrival.fault
        fact = telling.fact
        course = course.heard(fact)
        standing.hear(telling)
        now = now_of(standing)
        assert now.path == tuple(course.path)
        assert now.ending == course.ending
        assert standing.open_request == (course.open_request is not None)
        assert standing.erased == course.erased


@slow
@given(walks, st.randoms(use_true_random=False))
def test_the_order_in_which_sources_are_read_does_not_matter(
    walk: list[tuple[str, Source, int]], random: object
) -> None:
    case = told(walk)
    straight, mixed = CaseFile(case.case_id), CaseFile(case.case_id)
    in_order = arrivals(case.written)
    for arrival in in_order:
        admit(straight, arrival)
    shuffled = list(in_order)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for arrival in [*shuffled, *in_order]:
        admit(mixed, arrival)
    assert mixed.waiting == {}
    assert mixed.standing.written() == straight.standing.written()
    assert mixed.seen == straight.seen
    assert len(mixed.told) == len(straight.told) == len(case.written)


@slow
@given(walks)
def test_a_standing_is_read_as_it_was_written(walk: list[tuple[str, Source, int]]) -> None:
    standing = Standing()
    for arrival in arrivals(told(walk).written):
        assert arrival.fact is not None
        standing.hear(arrival.fact)
    assert Standing.read(standing.written()) == standing
