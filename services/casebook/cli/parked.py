"""`qyzmet parked`: records that stand aside, and what an operator does about them."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import typer

from services.casebook.cli.cases import case_id_of
from services.casebook.cli.exits import Failure, Problem, Status
from services.casebook.cli.run import operator, run_of
from services.casebook.cli.service import STAGES, Services

app = typer.Typer(no_args_is_help=True, help="Records that stand aside: list, show, retry, skip.")

Stage = Literal["intake", "routing", "executor", "signing", "notify"]
Case = Annotated[str, typer.Argument(metavar="ID|NUMBER")]
Of = Annotated[Stage | None, typer.Option("--stage", help="only at this stage")]
Reason = Annotated[str, typer.Option(help="why; it is recorded, sealed, in the log")]
Record = Annotated[str, typer.Option(metavar="PARTITION:OFFSET", help="which record to skip")]

_COLUMNS: Final = ("stage", "case_id", "record", "reason", "waits", "parked_at", "case_reason")
_MOST: Final = 1000


@app.command("list")
def list_(context: typer.Context, stage: Of = None) -> None:
    """All records that stand aside, at every stage and in casebook."""
    run = run_of(context)
    with run.services() as services:
        rows = list(_standing_aside(services, stage, None))
        if stage is None:
            rows += _of_casebook(services)
    run.screen.rows(rows, _COLUMNS, empty="nothing stands aside")


@app.command()
def show(context: typer.Context, case: Case, stage: Of = None) -> None:
    """What stands aside of one case. Exit 1 when nothing does."""
    run = run_of(context)
    with run.services() as services:
        rows = list(_standing_aside(services, stage, case_id_of(run, case)))
    run.screen.rows(rows, _COLUMNS, empty="nothing of this case stands aside")
    if not rows:
        raise typer.Exit(Status.FAILED)


@app.command()
def retry(context: typer.Context, case: Case, reason: Reason, stage: Of = None) -> None:
    """Read all records of a case again, in order. Nothing changes when one still fails."""
    _resolve(context, case, stage, {"how": "retry", "reason": reason})


@app.command()
def skip(
    context: typer.Context, case: Case, record: Record, reason: Reason, stage: Of = None
) -> None:
    """Go on without one record of a case, and read its others again."""
    partition, _, offset = record.partition(":")
    if not (partition.isdigit() and offset.isdigit()):
        raise Failure("--record: expected PARTITION:OFFSET, as `parked list` shows", Status.USAGE)
    wanted = {"how": "skip", "partition": int(partition), "offset": int(offset)}
    _resolve(context, case, stage, {**wanted, "reason": reason})


def _resolve(
    context: typer.Context, case: str, stage: Stage | None, wanted: dict[str, object]
) -> None:
    """At every stage where something of the case stands aside. Exit 4 when only some succeed."""
    run = run_of(context)
    case_id = case_id_of(run, case)
    done, refused = [], []
    with run.services() as services:
        aside = {row["stage"] for row in _standing_aside(services, stage, case_id)}
        if not aside:
            raise Failure("nothing of this case stands aside")
        for name in (name for name in STAGES if name in aside):
            path = f"/cases/{case_id}/parked"
            try:
                reply = services.ask("POST", name, path, operator(), body=wanted)
            except Problem as problem:
                if problem.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                    raise
                run.screen.complain(str(problem))
                refused.append(name)
            else:
                done.append({"stage": name, **reply.body})
    run.screen.rows(done, ("stage", "case_id", "read", "sequence"), empty="nothing was changed")
    if refused:
        raise typer.Exit(Status.PARTIAL if done else Status.FAILED)


def _standing_aside(
    services: Services, stage: Stage | None, case_id: str | None
) -> Iterator[dict[str, Any]]:
    for name in STAGES:
        if stage not in (None, name):
            continue
        for row in services.get_list(name, "/parked", operator(), case_id=case_id, limit=_MOST):
            place = f"{row['partition']}:{row['offset']}"
            yield {"stage": name, **row, "record": place}


def _of_casebook(services: Services) -> list[dict[str, Any]]:
    """Casebook has no journal: what stands aside there heals with the stages or with a build."""
    found = services.get("casebook", "/parked", operator(), limit=200)["parked"]
    return [
        {
            "stage": "casebook",
            "case_id": row["case_id"],
            "record": row["position"],
            "reason": row["reason"],
            "waits": row["kind"] == "waiting",
            "parked_at": row["since"],
        }
        for row in found
    ]
