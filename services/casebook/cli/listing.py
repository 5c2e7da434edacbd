"""`qyzmet case list`, `qyzmet queue`: lists of cases, as they stand or stood at a moment."""

import sys
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.prompt import Prompt

from services.casebook.cli.cases import At, Position, moment_of
from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.paged import Asked, paged
from services.casebook.cli.run import Run, operator, person, run_of

app = typer.Typer()

Procedure = Annotated[str | None, typer.Option(help="home-education and its like")]
Executor = Annotated[str | None, typer.Option(metavar="STAFF", help="who answers for it")]
Office = Annotated[str | None, typer.Option(help="of one office")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="rows at most")]
As = Annotated[
    str | None, typer.Option("--as", metavar="STAFF@OFFICE", help="as this office specialist")
]

COLUMNS: Final = (
    "case_id", "number", "procedure", "office", "state", "executor", "due", "overdue", "lodged_at",
)  # fmt: skip

_OF_THE_PAST: Final = frozenset({"number", "state", "stage", "procedure", "executor"})


class By(StrEnum):
    """What a person is found by; never an argument, which others on the machine can see."""

    IIN = "iin"
    NAME = "name"


def list_(
    context: typer.Context,
    *,
    number: Annotated[str | None, typer.Option(help="of a registration or a result")] = None,
    by: Annotated[
        By | None,
        typer.Option(help="of a person: it is asked for, or read from stdin"),
    ] = None,
    applicant: Annotated[str | None, typer.Option(help="of a person, by reference")] = None,
    state: Annotated[str | None, typer.Option(help="open, over, or one of the states")] = None,
    stage: Annotated[str | None, typer.Option(help="held by this stage now")] = None,
    procedure: Procedure = None,
    executor: Executor = None,
    office: Office = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="only those that are late")] = False,
    first_day: Annotated[str | None, typer.Option(help="lodged on this day or later")] = None,
    last_day: Annotated[str | None, typer.Option(help="lodged on this day or before")] = None,
    order: Annotated[
        Literal["newest", "due"], typer.Option(help="the newest or the most urgent first")
    ] = "newest",
    limit: Limit = 50,
    as_: As = None,
    at: At = None,
    position: Position = None,
) -> None:
    """The cases that fit everything asked for. By name only --as staff of an office.

    Of a moment in the past: by number, state, stage, procedure and executor.
    """
    question = {
        "number": number, "applicant": applicant, "state": state, "stage": stage,
        "procedure": procedure, "executor": executor, "office": office, "overdue": overdue,
        "first_day": day_of(first_day, "--first-day"), "last_day": day_of(last_day, "--last-day"),
        "order": order,
    }  # fmt: skip
    run = run_of(context)
    then = moment_of(at, position)
    if then:
        query = {**_of_the_past(question, by), **then}
        asked = Asked("GET", "/cases", person(as_), "cases", query=query)
        _show(run, paged(run, asked, limit))
        return
    if by is not None:
        question[by.value] = _asked_for(by)
    body = {name: value for name, value in question.items() if value is not None}
    asked = Asked("POST", "/cases/search", person(as_), "cases", body=body)
    _show(run, paged(run, asked, limit))


@app.command()
def queue(
    context: typer.Context,
    *,
    name: Annotated[
        Literal["to-register", "to-assign", "to-draft", "to-sign", "to-issue"], typer.Argument()
    ],
    executor: Executor = None,
    by_rule: Annotated[
        bool, typer.Option("--by-rule", help="also what a rule does without a person")
    ] = False,
    limit: Limit = 50,
    at: At = None,
    position: Position = None,
) -> None:
    """What is, or was, to be done at one step, in all offices, the most urgent first."""
    run = run_of(context)
    query = {"executor": executor, "by_rule": by_rule, **moment_of(at, position)}
    asked = Asked("GET", f"/queues/{name}", operator(), "cases", query=query)
    _show(run, paged(run, asked, limit))


def day_of(text: str | None, option: str) -> str | None:
    """A day as it was given. Raises Failure."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Failure(f"{option}: expected a day such as 2026-11-20", Status.USAGE) from None


def _of_the_past(question: Mapping[str, Any], by: By | None) -> dict[str, Any]:
    """What can be asked of a moment in the past. Raises Failure."""
    given = {name: value for name, value in question.items() if value not in (None, False)}
    order = given.pop("order")
    if by is not None or order != "newest" or not given.keys() <= _OF_THE_PAST:
        expected = ", ".join(f"--{name}" for name in sorted(_OF_THE_PAST))
        raise Failure(f"--at and --position go with {expected} only", Status.USAGE)
    return given


def _asked_for(by: By) -> str:
    if sys.stdin.isatty():
        question = f"{by.value} (not shown)"
        return Prompt.ask(question, password=True, console=Console(stderr=True)).strip()
    return sys.stdin.read().strip()


def _show(run: Run, cases: list[dict[str, Any]]) -> None:
    if run.screen.form.value == "table":
        run.screen.rows([_for_people(run, case) for case in cases], COLUMNS, "no such case")
    else:
        run.screen.rows(cases, ())


def _for_people(run: Run, case: Mapping[str, Any]) -> dict[str, object]:
    due = case["due"]
    shown = None if due is None else f"{run.screen.moment_of(due['at'])} ({due['clause']})"
    return {**case, "number": case["registration_number"], "due": shown}
