"""A list of casebook over as many pages as are asked for, with how fresh it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.casebook.cli.run import Run
from services.casebook.cli.service import Parameter, Person

PAGE_MAX: Final = 200


@dataclass(frozen=True)
class Asked:
    """Which list, as whom, and under which name its rows stand in the answer."""

    method: str
    path: str
    who: Person
    rows: str
    query: Mapping[str, Parameter] = field(default_factory=dict)
    body: object = None


def paged(run: Run, asked: Asked, most: int) -> list[dict[str, Any]]:
    """The first rows of a list. Raises Problem, Failure."""
    rows: list[dict[str, Any]] = []
    after: str | None = None
    with run.services() as services:
        while True:
            query = {**asked.query, "limit": min(PAGE_MAX, most - len(rows)), "after": after}
            reply = services.ask(
                asked.method, "casebook", asked.path, asked.who, query=query, body=asked.body
            )
            rows += reply.body[asked.rows]
            after = reply.body["next"]
            if after is None or len(rows) >= most:
                break
    run.screen.say(_freshness(run, reply.body, is_cut=after is not None))
    return rows


def _freshness(run: Run, answer: Mapping[str, Any], *, is_cut: bool) -> str:
    at = answer["as_of"]["time"]
    text = f"as of {run.screen.moment_of(at)}" if at is not None else "casebook is still reading"
    missing = answer.get("not_yet_by_name")
    if missing:
        text += f"; {missing} new cases are not found by name yet"
    return f"{text}; there are more: --limit" if is_cut else text
