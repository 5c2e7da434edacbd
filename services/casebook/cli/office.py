"""`qyzmet office`: what there is to do, how old it is, what went out."""

from typing import Annotated, Literal

import typer

from services.casebook.cli.listing import As, Limit, Procedure, day_of
from services.casebook.cli.paged import Asked, paged
from services.casebook.cli.run import person, run_of

app = typer.Typer(
    no_args_is_help=True, help="The office as a whole: ages, workload, results, notices."
)

FirstDay = Annotated[str | None, typer.Option(help="from this day on")]
LastDay = Annotated[str | None, typer.Option(help="up to this day, with it")]

_AGES = (
    "office", "procedure", "stage", "open", "overdue", "due_in_a_day", "nearest_due",
    "median_age", "oldest_age",
)  # fmt: skip
_WORKLOAD = (
    "executor", "office", "open", "to_draft", "returned", "overdue", "nearest_due", "issued",
)  # fmt: skip
_RESULTS = (
    "result_number", "issued_at", "office", "procedure", "outcome", "way", "receiver", "applicant",
)  # fmt: skip
_NOTICES = ("at", "registration_number", "office", "way", "template", "outcome", "reason")


@app.command()
def ages(context: typer.Context, procedure: Procedure = None, as_: As = None) -> None:
    """How long open cases have stood in each stage, against their dues."""
    run = run_of(context)
    with run.services() as services:
        answer = services.get("casebook", "/ages", person(as_), procedure=procedure)
    rows = answer["ages"]
    if run.screen.form.value == "table":
        rows = [
            {
                **row,
                "median_age": span_of(row["median_age_s"]),
                "oldest_age": span_of(row["oldest_age_s"]),
            }
            for row in rows
        ]
    run.screen.rows(rows, _AGES, empty="no open cases")


@app.command()
def workload(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=366, help="results of so many days")] = 30,
    limit: Limit = 200,
    as_: As = None,
) -> None:
    """What each executor has to do, what of it is late, and what they have finished."""
    run = run_of(context)
    asked = Asked("GET", "/workload", person(as_), "executors", query={"days": days})
    run.screen.rows(paged(run, asked, limit), _WORKLOAD, empty="no executors")


@app.command()
def results(
    context: typer.Context,
    *,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    procedure: Procedure = None,
    outcome: Annotated[Literal["granted", "refused"] | None, typer.Option()] = None,
    limit: Limit = 50,
    as_: As = None,
) -> None:
    """The register of results, the last issued first."""
    run = run_of(context)
    query = {
        "first_day": day_of(first_day, "--first-day"),
        "last_day": day_of(last_day, "--last-day"),
        "procedure": procedure,
        "outcome": outcome,
    }
    asked = Asked("GET", "/results", person(as_), "results", query=query)
    run.screen.rows(paged(run, asked, limit), _RESULTS, empty="no results")


@app.command()
def notices(
    context: typer.Context,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    outcome: Annotated[Literal["sent", "failed"] | None, typer.Option()] = None,
    limit: Limit = 50,
    as_: As = None,
) -> None:
    """Messages to applicants: which were sent, which failed, and why."""
    run = run_of(context)
    query = {
        "first_day": day_of(first_day, "--first-day"),
        "last_day": day_of(last_day, "--last-day"),
        "outcome": outcome,
    }
    asked = Asked("GET", "/notices", person(as_), "notices", query=query)
    run.screen.rows(paged(run, asked, limit), _NOTICES, empty="no messages")


def span_of(seconds: float) -> str:
    """A span for people: `3 d 4 h`, `2 h 5 min`, `40 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"
