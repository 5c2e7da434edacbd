"""Clients that behave: each request has its key and is repeated, with that key, until answered.

Everything they are told goes into the history, which the invariants compare with the log.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import httpx

from deploy.local.environment import LocalEnvironment
from shared.http.idempotency import idempotency_key
from shared.http.tokens import issue
from tests.faults.history import Application, History, Told
from tests.faults.people import STAFF

ANSWER_WITHIN_S = 10.0
"""How long a client waits for one attempt; beyond it, it does not know what became of it."""
PAUSE_MAX_S = 1.0
_DONE = (HTTPStatus.OK, HTTPStatus.CREATED)
_REFUSALS = range(400, 500)


class GaveUp(AssertionError):
    """A request was not answered for good within its deadline."""


class Declined(Exception):
    """A rule said no, for good."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('detail') or problem.get('title')}")
        self.status = status
        self.problem = problem


@dataclass(frozen=True)
class Command:
    """One wish of one member of staff, under one key."""

    source: str
    method: str
    path: str
    body: Any
    key: str
    staff: str
    min_position: str | None = None
    lodges: bool = False

    @property
    def hashed(self) -> str:
        """Its key as the log knows it."""
        route = f"{self.method} {self.path}"
        return idempotency_key(f"staff:{self.staff}", route, self.key, b"").partition(":")[0]


class Clients:
    """All clients of a run, over one pool of connections."""

    def __init__(
        self, environment: LocalEnvironment, history: History, rng: random.Random, within_s: float
    ) -> None:
        self.history = history
        self.within_s = within_s
        self._environment = environment
        self._rng = rng
        self._replicas = environment.settings.replicas
        keys = environment.secrets.issuer_keys.read_text("utf-8")
        private = json.loads(keys)["keys"][0]
        self._tokens = {
            one.name: issue(private, staff=one.name, office=one.office, roles=[one.role])
            for one in STAFF
        }
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(timeout=ANSWER_WITHIN_S, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def tell(self, command: Command) -> Told:
        """Send a command until it is recorded and published.

        Raises:
            Declined: a rule says no.
            GaveUp: that did not come within the deadline.
        """
        deadline = time.monotonic() + self.within_s
        pause_s, last = 0.05, "nothing"
        while time.monotonic() < deadline:
            answer = await self.attempt(command)
            last = "no answer" if answer is None else str(answer.status_code)
            told = None if answer is None else self.noted(command, answer)
            if told is not None and told.position is not None:
                return told
            await self.pause(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
        raise GaveUp(f"{command.method} {command.path} at {command.source}: last was {last}")

    async def batch(self, staff: str, items: Sequence[tuple[str, dict[str, object]]]) -> None:
        """Lodge many applications at once, again and again until each is published."""
        deadline = time.monotonic() + self.within_s
        path = "/applications/batch"
        commands = [
            Command("intake", "POST", path, body, key, staff, lodges=True) for key, body in items
        ]
        open_ones = commands
        while open_ones:
            if time.monotonic() > deadline:
                raise GaveUp(f"{len(open_ones)} applications of a batch of {len(items)}")
            body = {
                "applications": [{"key": each.key, "application": each.body} for each in open_ones]
            }
            whole = Command("intake", "POST", path, body, "batch", staff)
            answer = await self.attempt(whole, open_ones)
            if answer is not None and answer.status_code == HTTPStatus.OK:
                open_ones = self._still_open(open_ones, answer.json()["answers"])
            elif answer is not None:
                self._note_bad(whole, answer)
            if open_ones:
                await self.pause(PAUSE_MAX_S / 2)

    async def attempt(
        self, command: Command, lodged: Sequence[Command] = ()
    ) -> httpx.Response | None:
        """Send it once. None: there was no answer, it may have been done or not."""
        applications = [self._application(each) for each in (lodged or [command]) if each.lodges]
        for application in applications:
            application.attempts += 1
        headers = {
            "Authorization": f"Bearer {self._tokens[command.staff]}",
            "Idempotency-Key": command.key,
        }
        params = {} if command.min_position is None else {"min_position": command.min_position}
        url = self._environment.url(command.source, self._rng.randint(1, self._replicas))
        try:
            return await self._http.request(
                command.method,
                url + command.path,
                json=command.body,
                headers=headers,
                params=params,
            )
        except httpx.ConnectError:
            return None  # nothing was sent
        except httpx.HTTPError:
            for application in applications:
                application.unsure += 1
            return None

    async def read(self, source: str, path: str, staff: str, min_position: str) -> Any:
        """Ask until there is an answer."""
        query = Command(source, "GET", path, None, "-", staff, min_position)
        deadline = time.monotonic() + self.within_s
        while time.monotonic() < deadline:
            answer = await self.attempt(query)
            if answer is not None and answer.status_code == HTTPStatus.OK:
                return answer.json()
            if answer is not None:
                self._note_bad(query, answer)
            await self.pause(PAUSE_MAX_S / 4)
        raise GaveUp(f"GET {path} at {source}")

    def noted(self, command: Command, answer: httpx.Response) -> Told | None:
        """What an answer says, kept; None when it says: try again. Raises Declined."""
        if answer.status_code in (*_DONE, HTTPStatus.ACCEPTED):
            return self._note_done(command, answer.status_code, answer.json())
        if answer.status_code in _REFUSALS and not _is_conflict(answer):
            if command.lodges:
                self._application(command).refused.append(answer.status_code)
            raise Declined(answer.status_code, answer.json())
        self._note_bad(command, answer)
        return None

    async def pause(self, about_s: float) -> None:
        """Between attempts, each for another while."""
        await asyncio.sleep(about_s * self._rng.uniform(0.5, 1.5))

    def _still_open(self, sent: Sequence[Command], answers: Sequence[Any]) -> list[Command]:
        found = []
        for command, answer in zip(sent, answers, strict=True):
            if answer["status"] not in (*_DONE, HTTPStatus.ACCEPTED):
                self.history.faults.append(f"an application was refused: {answer}")
                continue
            if self._note_done(command, answer["status"], answer).position is None:
                found.append(command)
        return found

    def _note_done(self, command: Command, status: int, body: Mapping[str, Any]) -> Told:
        told = Told(command.source, status, body["case_id"], body["sequence"], body["position"])
        self.history.note(command.hashed if command.lodges else None, told)
        return told

    def _note_bad(self, command: Command, answer: httpx.Response) -> None:
        """503 with Retry-After is the one bad answer that a client may be given."""
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in answer.headers:
            return
        if _is_conflict(answer):
            return
        self.history.faults.append(
            f"D2 {command.method} {command.path} at {command.source} was answered "
            f"{answer.status_code}: {answer.text[:300]}"
        )

    def _application(self, command: Command) -> Application:
        return self.history.application(command.hashed)


def _is_conflict(answer: httpx.Response) -> bool:
    """Somebody else wrote first: decide again."""
    return answer.status_code == HTTPStatus.CONFLICT and "/problems/conflict" in answer.text
