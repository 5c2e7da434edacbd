"""`qyzmet status`: what is up, what waits, how much there is to do, in one screen."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import typer
from rich.text import Text

from services.casebook.cli.exits import Failure, Problem, Status
from services.casebook.cli.run import operator, run_of
from services.casebook.cli.service import SERVICES, STAGES, Services

_OUTBOX_AGE: Final = re.compile(r"^qyzmet_outbox_age_seconds (\S+)$", re.MULTILINE)
_PARKED_MAX: Final = 1000
_COLUMNS: Final = ("service", "state", "outbox_age_s", "parked", "why")
_COUNTS: Final = ("office", "procedure", "stage", "state", "open", "overdue")

app = typer.Typer()


@app.command()
def status(context: typer.Context) -> None:
    """Services, outbox, parked records, reading lag, open cases. Exit 1 if not all is up."""
    run = run_of(context)
    with run.services() as services:
        services.repeat_s_max = 0.0
        rows = [_service(services, name) for name in SERVICES]
        freshness = _quietly(services, "/freshness")
        counts = _quietly(services, "/counts")
    folded = _folded(freshness)
    if run.screen.form.value == "table":
        run.screen.rows([{**row, "state": _coloured(row["state"])} for row in rows], _COLUMNS)
        run.screen.show()
        run.screen.record({"log": folded or "casebook does not say"})
        run.screen.show()
        run.screen.rows((counts or {}).get("counts", []), _COUNTS, empty="no open cases")
    else:
        open_cases = (counts or {}).get("counts")
        run.screen.record({"services": rows, "log": freshness, "open_cases": open_cases})
    if any(row["state"] != "ready" for row in rows):
        raise typer.Exit(Status.FAILED)


def _service(services: Services, name: str) -> dict[str, Any]:
    ready = services.peek(name, "/health/ready")
    if ready is None:
        return {"service": name, "state": "down", "outbox_age_s": None, "parked": None, "why": ""}
    is_ready = ready.status_code == HTTPStatus.OK
    why = "" if is_ready else ready.json().get("detail", "")
    state = "ready" if is_ready else "not ready"
    return {
        "service": name,
        "state": state,
        "outbox_age_s": _outbox_age_s(services, name),
        "parked": _parked(services, name),
        "why": why,
    }


def _outbox_age_s(services: Services, name: str) -> float | None:
    if name not in STAGES:
        return None
    exposed = services.peek(name, "/metrics")
    found = _OUTBOX_AGE.search(exposed.text) if exposed is not None else None
    return round(float(found[1]), 1) if found is not None else None


def _parked(services: Services, name: str) -> str | int | None:
    try:
        if name in STAGES:
            found = services.get_list(name, "/parked", operator(), **_most(name))
        else:
            found = services.get(name, "/parked", operator(), **_most(name))["parked"]
    except Failure:
        return None
    full = len(found) == _most(name)["limit"]
    return f"{len(found)} or more" if full else len(found)


def _most(name: str) -> Mapping[str, int]:
    return {"limit": _PARKED_MAX if name in STAGES else 200}


def _quietly(services: Services, path: str) -> dict[str, Any] | None:
    """Casebook's answer; None when it gives none: its row says why."""
    try:
        return services.get("casebook", path, operator())
    except Problem as problem:
        if problem.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise
        return None
    except Failure:
        return None


def _folded(freshness: Mapping[str, Any] | None) -> str | None:
    if freshness is None:
        return None
    records = sum(part["log_end"] for part in freshness["partitions"])
    text = f"{records} records, casebook is {freshness['behind']} behind"
    return f"{text}; halted: {freshness['halted']}" if freshness["halted"] else text


def _coloured(state: object) -> Text:
    return Text(str(state), style="green" if state == "ready" else "bold red")
