"""A client of the live feed, as a browser is one: it reads server-sent events, and resumes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, who: dict[str, str], last: str | None = None
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    headers = who if last is None else {**who, "Last-Event-ID": last}
    async with client.stream("GET", "/feed", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events(response)


async def events(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name and name != "retry":
            event[name] = value
        elif not name and "event" in event:
            yield event
            event = {}


async def following(stream: AsyncIterator[dict[str, str]]) -> dict[str, str]:
    async with asyncio.timeout(15):
        return await anext(stream)


async def heard(stream: AsyncIterator[dict[str, str]], count: int) -> list[int]:
    """The numbers of the next changes."""
    numbers: list[int] = []
    while len(numbers) < count:
        event = await following(stream)
        if event["event"] == "changed":
            numbers += [each["change"] for each in json.loads(event["data"])["changes"]]
    return numbers
