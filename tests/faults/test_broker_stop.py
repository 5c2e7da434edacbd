"""The broker stands still for a while: 202, then 503 (D2); nothing is lost, everything drains.

Every application here is sent once only, so each answer can be held against the log: 201 and 202
are in it, 503 is not.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import pytest

from tests.faults.clients import Clients, Command
from tests.faults.history import History
from tests.faults.people import applicants, application, dice
from tests.faults.robots import opened
from tests.faults.stand import FULL, judge, new_seed, quiet, say, standing

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

BROKER_AWAY_S = 30.0
EVERY_S = 0.25
BACKLOG_LIMIT_S = 5.0
SLACK_S = 5.0
"""A busy machine is late with everything."""
BACK_WITHIN_S = 120.0
ANSWER_WITHIN_S = 120.0


@dataclass(frozen=True)
class Sent:
    """One application, sent once."""

    at: float
    """Seconds since the broker was stopped."""
    status: int
    retry_after: str | None


@pytest.mark.parametrize("way", ["stopped", "frozen"] if FULL else ["stopped"])
async def test_while_the_broker_is_away_answers_are_honest(way: str) -> None:
    seed = new_seed()
    say(f"seed {seed}")
    history, sent = History(), list[Sent]()
    async with (
        standing("broker") as system,
        Clients(system.environment, history, dice(seed, "clients"), ANSWER_WITHIN_S) as clients,
    ):
        await opened(clients, system)
        broker, people = system.broker, applicants()
        await once(clients, next(people), sent, began=time.monotonic())
        assert sent.pop().status == HTTPStatus.CREATED
        async with asyncio.TaskGroup() as group:
            began = time.monotonic()
            away = group.create_task(
                asyncio.to_thread(broker.stop if way == "stopped" else broker.freeze)
            )
            for _ in every(EVERY_S, until=began + BROKER_AWAY_S):
                group.create_task(once(clients, next(people), sent, began))
                await asyncio.sleep(EVERY_S)
            await away
        await asyncio.to_thread(broker.start if way == "stopped" else broker.thaw)
        judge_answers(sent)
        await back_to_normal(clients, people)
        await quiet(system)
        await judge(system, history, seed)


def judge_answers(sent: list[Sent]) -> None:
    """At first 202, then 503 with Retry-After, and nothing else."""
    statuses = [each.status for each in sorted(sent, key=lambda each: each.at)]
    told = [(status, len(list(run))) for status, run in itertools.groupby(statuses)]
    say(f"answers while the broker was away: {told}")
    allowed = {HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.SERVICE_UNAVAILABLE}
    assert set(statuses) <= allowed
    assert HTTPStatus.ACCEPTED in statuses, "recorded, publication pending"
    for each in sent:
        if each.status == HTTPStatus.SERVICE_UNAVAILABLE:
            assert each.at > BACKLOG_LIMIT_S / 2, "refused although nothing had waited long"
            assert each.retry_after is not None
        elif each.status == HTTPStatus.ACCEPTED:
            assert each.at < 2 * BACKLOG_LIMIT_S + SLACK_S, "taken although the oldest waits long"
    assert any(each.status == HTTPStatus.SERVICE_UNAVAILABLE for each in sent)


async def once(clients: Clients, person: dict[str, str], sent: list[Sent], began: float) -> None:
    """Send one application, once, and keep what was answered."""
    at = time.monotonic() - began
    body = application("employment-referral", person)
    command = Command(
        "intake", "POST", "/applications", body, f"once-{person['iin']}", "zhanar", lodges=True
    )
    answer = await clients.attempt(command)
    assert isinstance(answer, httpx.Response), "no answer at all"
    if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
        clients.noted(command, answer)
    sent.append(Sent(at, answer.status_code, answer.headers.get("Retry-After")))


async def back_to_normal(clients: Clients, people: Iterator[dict[str, str]]) -> None:
    """Without any help, an application is soon taken and published again."""
    sent: list[Sent] = []
    deadline = time.monotonic() + BACK_WITHIN_S
    while not sent or sent[-1].status != HTTPStatus.CREATED:
        assert time.monotonic() < deadline, f"still {sent[-1:]}"
        await once(clients, next(people), sent, began=time.monotonic())
        await asyncio.sleep(EVERY_S)


def every(pause_s: float, until: float) -> Iterator[int]:
    """Count for as long as it is not yet `until`."""
    for count in itertools.count():
        if time.monotonic() + pause_s > until:
            return
        yield count
