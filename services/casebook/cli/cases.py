"""`qyzmet case`: where a case stands, and all that was told of it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from services.casebook.cli.naming import case_id_of
from services.casebook.cli.run import OFFICE, Run, opener, operator, run_of
from services.casebook.cli.service import Person, Services
from shared.privacy.openings import Purpose

app = typer.Typer(no_args_is_help=True, help="Where a case stands, and all that was told of it.")

Name = Annotated[str, typer.Argument(metavar="ID|NUMBER", help="case id or registration number")]

OpenFor = Annotated[
    Purpose | None, typer.Option("--open-for", help="open what is sealed; what for is noted")
]
As = Annotated[str | None, typer.Option("--as", metavar="STAFF@OFFICE", help="who opens")]

_PAGE: Final = 500
COLUMNS: Final = ("recorded_at", "fact", "actor", "clauses", "due", "said")


@app.command()
def show(context: typer.Context, case: Name) -> None:
    """Where a case stands now."""
    run = run_of(context)
    with run.services() as services:
        answer = services.get("casebook", f"/cases/{case_id_of(run, case)}", operator())
    found: dict[str, Any] = answer["case"]
    if run.screen.form.value == "table":
        found = {**found, "due": due_text(run, found["due"])}
    run.screen.record({**found, "parked": answer["parked"]})


@app.command()
def timeline(context: typer.Context, case: Name, open_for: OpenFor = None, as_: As = None) -> None:
    """Every fact of a case in order, with actor, clauses and dues. Sealed parts stay sealed.

    --open-for opens them for staff of the case's office; who, when and what for is noted.
    """
    run = run_of(context)
    who = operator() if as_ is None else opener(*_named(as_))
    with run.services() as services:
        facts = all_facts(services, case_id_of(run, case), who, open_for)
    if run.screen.form.value == "table":
        run.screen.rows([shown(run, fact) for fact in facts], COLUMNS)
    else:
        run.screen.rows(facts, ())


def all_facts(
    services: Services, case_id: str, who: Person | None = None, open_for: Purpose | None = None
) -> list[dict[str, Any]]:
    """The whole timeline of a case."""
    opening = {} if open_for is None else {"open": True, "purpose": open_for.value}
    facts: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        path = f"/cases/{case_id}/timeline"
        page = services.get(
            "casebook", path, who or operator(), after=after, limit=_PAGE, **opening
        )
        facts += page["facts"]
        after = page["next"]
    return facts


def _named(text: str) -> tuple[str, str]:
    staff, _, office = text.partition("@")
    return staff, office or OFFICE


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
