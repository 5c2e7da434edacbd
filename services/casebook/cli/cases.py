"""`qyzmet case`: where a case stands, and all that was told of it."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import typer

from services.casebook.cli.exits import Failure
from services.casebook.cli.run import Run, operator, run_of
from services.casebook.cli.service import Services
from shared.postgres.pool import connect

app = typer.Typer(no_args_is_help=True, help="Where a case stands, and all that was told of it.")

Name = Annotated[str, typer.Argument(metavar="ID|NUMBER", help="case id or registration number")]

_PAGE: Final = 200
_BY_NUMBER: Final = "SELECT case_id FROM status WHERE registration_number = $1"
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
def timeline(context: typer.Context, case: Name) -> None:
    """Every fact of a case in order, with actor, clauses and dues. Sealed parts stay sealed."""
    run = run_of(context)
    with run.services() as services:
        facts = all_facts(services, case_id_of(run, case))
    if run.screen.form.value == "table":
        run.screen.rows([shown(run, fact) for fact in facts], COLUMNS)
    else:
        run.screen.rows(facts, ())


def all_facts(services: Services, case_id: str) -> list[dict[str, Any]]:
    """The whole timeline of a case."""
    facts: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        path = f"/cases/{case_id}/timeline"
        page = services.get("casebook", path, operator(), after=after, limit=_PAGE)
        facts += page["facts"]
        after = page["next"]
        if after is None:
            return facts


def case_id_of(run: Run, name: str) -> str:
    """The id of a case, given that or its registration number. Raises Failure."""
    try:
        return str(UUID(name))
    except ValueError:
        found = asyncio.run(_by_number(run.settings().database, name.upper()))
    if found is None:
        raise Failure(f"no case has the id or the registration number {name}")
    return str(found)


async def _by_number(url: str, number: str) -> UUID | None:
    connection = await connect(url, schema="casebook", application_name="qyzmet")
    try:
        found: UUID | None = await connection.fetchval(_BY_NUMBER, number)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return found


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
