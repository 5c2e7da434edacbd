"""`qyzmet procedures`: the regulations as data; works without a running system."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.run import run_of
from shared.procedures.catalogue import DEFAULT_EDITIONS, DeletedProcedure, load_catalogue
from shared.procedures.overview import Gravity, check, list_rows
from shared.procedures.parts import Language
from shared.procedures.scheme import draw

app = typer.Typer(
    no_args_is_help=True, help="The regulations: list them, draw one, check a folder."
)

InLanguage = Annotated[Language, typer.Option("--language", help="kk, ru or en")]
Folder = Annotated[Path | None, typer.Argument(help="another folder of definitions")]

_COLUMNS: Final = (
    "regulation", "procedure", "edition", "standing", "channels", "whole_term", "results",
    "receiving_system", "title",
)  # fmt: skip


@app.command("list")
def list_(context: typer.Context, language: InLanguage = "en") -> None:
    """All regulations, also the deleted one, and which edition takes applications."""
    rows = [asdict(row) for row in list_rows(load_catalogue(), language=language)]
    run_of(context).screen.rows(rows, _COLUMNS)


@app.command()
def show(
    context: typer.Context,
    procedure: str,
    edition: Annotated[str | None, typer.Option(help="the one in force, if not named")] = None,
    language: InLanguage = "en",
) -> None:
    """The block scheme of a regulation: actors, times, clauses (R2 7, R3 8, R4 7)."""
    screen = run_of(context).screen
    try:
        catalogue = load_catalogue()
        chosen = edition or DEFAULT_EDITIONS.get(procedure)
        found = catalogue.procedure(procedure, chosen) if chosen else catalogue.in_force(procedure)
    except DeletedProcedure as deleted:
        raise Failure(f"no regulation: {deleted}") from None
    except LookupError as unknown:
        raise Failure(str(unknown), Status.USAGE) from None
    if screen.form.value == "table":
        screen.plain(draw(found, language))
    else:
        screen.record(found.model_dump(mode="json", by_alias=True))


@app.command("check")
def check_(context: typer.Context, folder: Folder = None) -> None:
    """Everything wrong in a folder of definitions, all at once. Exit 3 when a file is broken."""
    screen = run_of(context).screen
    found = check(folder)
    rows = [{**asdict(each), "gravity": each.gravity.value} for each in found]
    screen.rows(
        rows, ("gravity", "file", "line", "item", "expected", "found"), empty="nothing is wrong"
    )
    if any(each.gravity is Gravity.BROKEN for each in found):
        raise typer.Exit(Status.DIFFERENCES)
