"""I2 by case: turn by turn, only by the holder, no stage completed twice; wishes answered once."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults.reading import Fact, Reading

_ONCE = ("application-lodged", "application-registered", "executor-assigned", "notification-signed")
_ANSWERS = ("case-withdrawn", "withdrawal-declined")


def path_violations(reading: Reading, *, in_order: bool) -> Iterator[str]:
    """Of every case."""
    for case_id, facts in reading.cases.items():
        for found in (*_path(facts), *_counts(facts), *(_order(facts) if in_order else ())):
            yield f"I2 {case_id}: {found}"


def withdrawal_violations(reading: Reading) -> Iterator[str]:
    """Every wish to withdraw has exactly one answer, by exactly one stage."""
    for case_id, facts in reading.cases.items():
        wishes = {fact.event_id for fact in facts if fact.name == "withdrawal-requested"}
        answers = Counter(str(fact.says["request"]) for fact in facts if fact.name in _ANSWERS)
        for wish in sorted(wishes | answers.keys()):
            if wish not in wishes:
                yield f"I7 {case_id}: an answer to a wish that nobody had: {wish}"
            elif answers[wish] != 1:
                yield f"I7 {case_id}: the wish to withdraw has {answers[wish]} answers"


def holders(facts: Sequence[Fact]) -> list[str]:
    """Who held the case, by turn, as far as lawful hand-offs lead."""
    found = ["intake"]
    while True:
        turn = len(found) - 1
        given = [
            fact.entry.hands_to.value
            for fact in facts
            if fact.entry.hands_to is not None and (fact.turn, fact.source) == (turn, found[turn])
        ]
        if not given:
            return found
        found.append(given[0])


def _path(facts: Sequence[Fact]) -> Iterator[str]:
    by_turn = holders(facts)
    moves: Counter[int] = Counter()
    for fact in facts:
        if not fact.binds:
            continue
        if fact.turn >= len(by_turn):
            yield f"{fact.name} in turn {fact.turn}, but the case came to turn {len(by_turn) - 1}"
        elif by_turn[fact.turn] != fact.source:
            yield f"{fact.name} by {fact.source} in turn {fact.turn} of {by_turn[fact.turn]}"
        if fact.entry.hands_to is not None or fact.entry.ends is not None:
            moves[fact.turn] += 1
    for turn, count in sorted(moves.items()):
        if count > 1:
            yield f"turn {turn} was ended {count} times"
    ends = [fact for fact in facts if fact.entry.ends is not None]
    if any(fact.turn != len(by_turn) - 1 for fact in ends):
        yield "it was ended before its last turn"


def _counts(facts: Sequence[Fact]) -> Iterator[str]:
    counts = Counter(fact.name for fact in facts)
    yield from (f"{name} {counts[name]} times" for name in _ONCE if counts[name] > 1)
    if not counts["application-lodged"]:
        yield "it was never lodged"
    returned, drafted = counts["notification-returned"], counts["notification-drafted"]
    if drafted not in (returned, returned + 1):
        yield f"drafted {drafted} times, given back {returned} times"


def _order(facts: Sequence[Fact]) -> Iterator[str]:
    """Who holds a turn has read in the log that the turn was given to them."""
    given = {fact.turn + 1: fact for fact in facts if fact.entry.hands_to is not None}
    for fact in facts:
        handing = given.get(fact.turn)
        if fact.binds and fact.turn and (handing is None or handing.place > fact.place):
            yield f"{fact.name} stands before the hand-off to {fact.source}"
