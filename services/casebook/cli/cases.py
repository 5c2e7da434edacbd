"""`qyzmet case`: where a case stands or stood, and all that was told of it."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from services.casebook.cli.exits import Failure, Problem, Status
from services.casebook.cli.run import Run, named, opener, operator, run_of
from services.casebook.cli.service import Person, Services
from shared.clock import DEPARTMENT_ZONE
from shared.privacy.openings import Purpose

app = typer.Typer(no_args_is_help=True, help="Where a case stands, and all that was told of it.")

At = Annotated[
    str | None,
    typer.Option(help="as it stood at this moment; without a zone: in that of the department"),
]
Position = Annotated[
    str | None,
    typer.Option(metavar="PARTITION:OFFSET", help="as it stood when this record was read"),
]
Name = Annotated[str, typer.Argument(metavar="ID|NUMBER", help="case id or registration number")]

OpenFor = Annotated[
    Purpose | None, typer.Option("--open-for", help="open what is sealed; what for is noted")
]
As = Annotated[str | None, typer.Option("--as", metavar="STAFF@OFFICE", help="who opens")]

_PAGE: Final = 200
COLUMNS: Final = ("recorded_at", "fact", "actor", "clauses", "due", "said")


@app.command()
def show(context: typer.Context, case: Name, at: At = None, position: Position = None) -> None:
    """Where a case stands now, or stood at a moment."""
    run = run_of(context)
    then = moment_of(at, position)
    with run.services() as services:
        path = f"/cases/{case_id_of(run, case)}"
        answer = services.get("casebook", path, operator(), **then)
    found: dict[str, Any] = answer["case"]
    if run.screen.form.value == "table":
        found = {**found, "due": due_text(run, found["due"])}
    run.screen.record({**found, "parked": answer["parked"]})


@app.command()
def timeline(
    context: typer.Context,
    case: Name,
    *,
    at: At = None,
    position: Position = None,
    open_for: OpenFor = None,
    as_: As = None,
) -> None:
    """Every fact of a case in order, with actor, clauses and dues. Sealed parts stay sealed.

    --open-for opens them for staff of the case's office; who, when and what for is noted.
    """
    run = run_of(context)
    who = operator() if as_ is None else opener(*named(as_))
    then: dict[str, str | bool] = {**moment_of(at, position)}
    if open_for is not None:
        then |= {"open": True, "purpose": open_for.value}
    with run.services() as services:
        facts = all_facts(services, case_id_of(run, case), then, who)
    if run.screen.form.value == "table":
        run.screen.rows([shown(run, fact) for fact in facts], COLUMNS)
    else:
        run.screen.rows(facts, ())


def moment_of(at: str | None, position: str | None) -> dict[str, str]:
    """The moment that options name, as a question takes it; none for now. Raises Failure."""
    if at is not None and position is not None:
        raise Failure("either --at or --position", Status.USAGE)
    if position is not None:
        return {"position": position}
    if at is None:
        return {}
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        raise Failure("--at: expected a moment, like 2026-11-20T09:30", Status.USAGE) from None
    local = found if found.tzinfo is not None else found.replace(tzinfo=DEPARTMENT_ZONE)
    return {"at": local.isoformat()}


def all_facts(
    services: Services,
    case_id: str,
    asked: Mapping[str, str | bool] | None = None,
    who: Person | None = None,
) -> list[dict[str, Any]]:
    """The whole timeline of a case; `asked` as of when, and what to open."""
    facts: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        path = f"/cases/{case_id}/timeline"
        page = services.get(
            "casebook", path, who or operator(), after=after, limit=_PAGE, **(asked or {})
        )
        facts += page["facts"]
        after = page["next"]
        if after is None:
            return facts


def case_id_of(run: Run, name: str) -> str:
    """The id of a case, given that or its registration number. Raises Failure."""
    try:
        return str(UUID(name))
    except ValueError:
        pass
    nobody = f"no case has the id or the registration number {name}"
    try:
        with run.services() as services:
            found = services.get("casebook", "/cases", operator(), number=name.upper())["cases"]
    except Problem as problem:
        # What is no number at all is told like one that nobody has.
        if problem.code != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        raise Failure(nobody) from None
    if not found:
        raise Failure(nobody)
    return str(found[0]["case_id"])


def shown(run: Run, fact: Mapping[str, Any]) -> dict[str, object]:
    """A fact for people: short names, and of what it says the words that tell something."""
    words = [fact["said"].get(name) for name in _TELLING]
    flag = [] if fact["held"] is not False else ["(did not hold the case: no effect)"]
    return {
        "recorded_at": fact["recorded_at"],
        "fact": f"{fact['source']} · {short(fact['type'])}",
        "actor": fact["actor"],
        "clauses": fact["clauses"],
        "due": due_text(run, fact["due"]),
        "said": " ".join([*(str(word) for word in words if word is not None), *flag]),
    }


_TELLING: Final = (
    "result_kind", "registration_number", "executor", "outcome", "ground", "message", "papers",
    "result_number", "way", "step", "how",
)  # fmt: skip


def short(type_: str) -> str:
    """`application lodged` of `qyzmet.intake.application-lodged.v1`."""
    return type_.split(".")[2].replace("-", " ")


def due_text(run: Run, due: Mapping[str, Any] | None) -> str | None:
    """A due with the clause that sets it."""
    if due is None:
        return None
    return f"{run.screen.text(due['at'])} ({due['clause']})"
