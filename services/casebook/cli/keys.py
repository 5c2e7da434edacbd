"""`qyzmet keys`: the keys under which personal data are sealed."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.prompt import Confirm, Prompt

from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.run import operator, run_of

app = typer.Typer(no_args_is_help=True, help="The keys of cases: erase a person's data.")

From = Annotated[
    Path | None, typer.Option("--iin-file", help="a file with the IIN; - is stdin", dir_okay=False)
]
Reference = Annotated[str | None, typer.Option(help="the person by reference, not by IIN")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask (needed without a terminal)")]


@app.callback()
def _group() -> None:
    """A group, although it has one command so far."""


@app.command()
def erase(
    context: typer.Context,
    iin_file: From = None,
    applicant: Reference = None,
    yes: Yes = False,
) -> None:
    """Destroy the keys of all finished cases of a person, for good; the log stays whole.

    The IIN is asked for, or read from a file or stdin; never an argument, which others can see.
    """
    run = run_of(context)
    person = {"applicant": applicant} if applicant is not None else {"iin": _iin(iin_file)}
    question = "Nobody will ever read this person's data again. Erase?"
    is_asked = sys.stdin.isatty() and not yes
    if is_asked and not Confirm.ask(question, console=run.screen.err, default=False):
        raise Failure("nothing was erased")
    if not yes and not is_asked:
        raise Failure("without a terminal --yes is needed: an erasure is for good", Status.USAGE)
    with run.services() as services:
        reply = services.ask("POST", "intake", "/applicants/erasure", operator(), body=person)
    cases = [{"case_id": case_id, "erased": True} for case_id in reply.body["cases"]]
    run.screen.rows(cases, ("case_id", "erased"), empty="everything of this person was erased")


def _iin(file: Path | None) -> str:
    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    elif sys.stdin.isatty():
        text = Prompt.ask("IIN (not shown)", password=True, console=Console(stderr=True))
    else:
        text = sys.stdin.read()
    return text.strip()
