"""Applications that come in all the time, and what became of each."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.compose.composed import Composed
from tests.faults.stand import say

CASES_PER_S = 20.0
CLIENTS = 16
MANY_ERRORS = 20


@dataclass(frozen=True)
class Answer:
    """What one application was told; `status` 0: the connection broke, nobody answered."""

    status: int
    case_id: str | None
    text: str
    at: str = field(default_factory=lambda: time.strftime("%X"))


@dataclass
class Load:
    """All answers so far, in the order in which they came."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """The first of the applications that were not taken in."""
        bad = [each for each in self.answers if each.case_id is None]
        return [f"{each.at} {each.status} {each.text[:200]}" for each in bad[:MANY_ERRORS]]

    @property
    def cases(self) -> list[str]:
        """Every case that somebody was told of."""
        return [each.case_id for each in self.answers if each.case_id is not None]

    def until(self, count: int) -> None:
        """Wait until so many have been answered."""
        while len(self.answers) < count:
            time.sleep(0.2)


@contextmanager
def lodging(composed: Composed, per_s: float = CASES_PER_S) -> Iterator[Load]:
    """Applications, so many a second; one that has to wait for its answer delays no other."""
    load, stop, began = Load(), threading.Event(), time.monotonic()

    def lodge(client: int) -> None:
        due = began + client / per_s
        while not stop.wait(max(0.0, due - time.monotonic())):
            load.answers.append(_answer(composed))
            due += CLIENTS / per_s

    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(lodge, client) for client in range(CLIENTS)]
        try:
            yield load
        finally:
            stop.set()
            took_s = time.monotonic() - began
            say(f"{len(load.answers)} answers in {took_s:.0f} s, {composed.broken} broke off")
            say(f"errors: {load.errors}")
    for each in working:
        each.result()


def _answer(composed: Composed) -> Answer:
    try:
        found = composed.lodge()
    except httpx.TransportError as fault:
        return Answer(0, None, repr(fault))
    case_id = found.json()["case_id"] if found.is_success else None
    return Answer(found.status_code, case_id, found.text)


def ended(composed: Composed, load: Load) -> None:
    """Every case that somebody was told of has its result, and nothing is lost or double."""
    cases = load.cases
    assert len(set(cases)) == len(cases) > 0
    composed.until_issued(cases)
    composed.verify()
