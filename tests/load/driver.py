"""The load's client, in a process of its own: posts batches of applications, several at a time."""

import argparse
import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from tests.load.applications import batches
from tests.load.companions import say, wait_for_word

ANSWER_WITHIN_S = 120.0
TRIES_MAX = 100
PAUSE_S_MAX = 2.0
TAKEN = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.OK)


@dataclass
class Posting:
    """What became of the batches."""

    client: httpx.AsyncClient
    todo: list[bytes]
    acknowledged: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    again: int = 0
    answer_s: list[float] = field(default_factory=list)

    async def work(self) -> None:
        """Post one batch after the other until none is left."""
        while self.todo:
            body = self.todo.pop(0)
            self._note(await self._posted(body))

    async def _posted(self, body: bytes) -> list[dict[str, Any]]:
        """Post one batch until it is answered; the keys in it make a repeat harmless."""
        for _ in range(TRIES_MAX):
            begun = time.perf_counter()
            answer = await self.client.post(
                "/applications/batch", content=body, headers={"Content-Type": "application/json"}
            )
            if answer.status_code == HTTPStatus.OK:
                self.answer_s.append(time.perf_counter() - begun)
                answers: list[dict[str, Any]] = answer.json()["answers"]
                return answers
            if answer.status_code not in (503, 429):
                raise RuntimeError(f"intake answered {answer.status_code}: {answer.text[:500]}")
            self.again += 1
            wait_s = float(answer.headers.get("Retry-After", "1"))
            await asyncio.sleep(min(wait_s, PAUSE_S_MAX))
        raise RuntimeError(f"intake took a batch not even at the {TRIES_MAX}th time")

    def _note(self, answers: list[dict[str, Any]]) -> None:
        for answer in answers:
            if answer["status"] in TAKEN:
                self.acknowledged.append(answer["case_id"])
            else:
                self.refused[str(answer.get("rule", answer.get("title", answer["status"])))] += 1


async def post(url: str, token: str, bodies: list[bytes], connections: int) -> dict[str, Any]:
    """Post them all; when it began and ended, what it cost here, and who was acknowledged."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=url, timeout=ANSWER_WITHIN_S, limits=limits, headers=headers, trust_env=False
    ) as client:
        posting = Posting(client, bodies)
        began, cpu = time.time(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(posting.work())
        return {
            "began": began,
            "ended": time.time(),
            "cpu_s": time.process_time() - cpu,
            "acknowledged": posting.acknowledged,
            "refused": dict(posting.refused),
            "again": posting.again,
            "answer_s": sorted(posting.answer_s),
        }


def main() -> None:
    """Make the bodies, say so, wait for the word, post."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    for number in ("first", "count", "size", "connections"):
        parser.add_argument(number, type=int)
    given = parser.parse_args()
    bodies = batches(given.first, given.count, given.size)
    say("ready")
    if wait_for_word():
        say(asyncio.run(post(given.url, given.token, bodies, given.connections)))


if __name__ == "__main__":
    main()
