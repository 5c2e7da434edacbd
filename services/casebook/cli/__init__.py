"""The command line `qyzmet`: one file per group of commands."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Final

import httpx
import typer
from pydantic import ValidationError

from services.casebook.cli import (
    audit,
    cases,
    demo,
    events,
    keys,
    listing,
    log,
    office,
    parked,
    procedures,
    rebuild,
    replay,
    status,
    submit,
)
from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.run import Run
from services.casebook.cli.screen import Form, Screen, Zone
from shared.errors import Unavailable
from shared.hindsight import RuleBook
from shared.procedures.reading import BrokenProcedure

_HELP: Final = """
Run and inspect Qyzmet. Answers go to stdout, everything else to stderr.

Exit codes: 0 ok, 1 failed, 2 usage, 3 differences found, 4 done in part.
"""
_VALUED: Final = ("-o", "--output", "--time", "--token")
_FLAGS: Final = ("-q", "--quiet", "--no-color")

app = typer.Typer(
    name="qyzmet",
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(status.app)
cases.app.command("list")(listing.list_)
app.add_typer(cases.app, name="case")
app.add_typer(listing.app)
app.add_typer(office.app, name="office")
app.add_typer(events.app, name="events")
app.add_typer(submit.app)
app.add_typer(parked.app, name="parked")
app.add_typer(log.app, name="log")
app.add_typer(audit.app, name="audit")
app.add_typer(replay.app)
app.add_typer(rebuild.app, name="rebuild")
app.add_typer(keys.app, name="keys")
app.add_typer(procedures.app, name="procedures")
app.add_typer(demo.app)


@app.callback()
def _options(
    context: typer.Context,
    output: Annotated[Form, typer.Option("-o", "--output", help="how answers are written")] = (
        Form.TABLE
    ),
    time: Annotated[Zone, typer.Option(help="the zone of moments in tables")] = Zone.LOCAL,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="no progress")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="as NO_COLOR")] = False,
    token: Annotated[
        str | None, typer.Option(help="instead of QYZMET_TOKEN or the demo's issuer")
    ] = None,
) -> None:
    rules = context.obj if isinstance(context.obj, RuleBook) else RuleBook()
    context.obj = Run(Screen(output, time, quiet, not no_color), token, rules)


def main(rules: RuleBook, arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code. `rules` are those of all stages."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(status_of(given, rules))


def status_of(arguments: Sequence[str], rules: RuleBook | None = None) -> int:
    """Run a command; its exit code."""
    try:
        app(args=hoisted(arguments), prog_name="qyzmet", obj=rules or RuleBook())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(Status.FAILED)
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except Failure as failure:
        Screen().complain(str(failure))
        return failure.status
    except ValidationError as error:
        wrong = ", ".join(f"QYZMET_{item['loc'][0]}".upper() for item in error.errors())
        Screen().complain(f"not of its form: {wrong}")
        return Status.USAGE
    except (Unavailable, BrokenProcedure, httpx.HTTPError, OSError) as fault:
        Screen().complain(str(fault) or type(fault).__name__)
        return Status.FAILED
    return Status.OK


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The global options before everything else, wherever they were written."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name, _, _ = argument.partition("=")
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _FLAGS or (argument != name and name in _VALUED):
            front.append(argument)
        elif argument in _VALUED:
            front += [argument, *islice(waiting, 1)]
        else:
            rest.append(argument)
    return front + rest
