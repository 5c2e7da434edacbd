"""`qyzmet rebuild`: casebook's tables folded anew beside the live ones, compared, swapped in."""

import gc
import os
import sys
import time
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal, TypeVar

import typer
import uvloop
from rich.prompt import Confirm

from services.casebook import comparing, rebuilding
from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.run import Run, run_of
from services.casebook.comparing import Comparison
from services.casebook.offsets import ForeignLog, reached
from services.casebook.rebuilding import CannotRebuild, Site, alone
from services.casebook.schemas import Schemas, exists
from services.casebook.workers import fill_in_processes
from shared.errors import Conflict

app = typer.Typer(
    no_args_is_help=True,
    help="Casebook's tables: fold them anew beside the live ones, compare, swap, roll back.",
)

Apply = Annotated[bool, typer.Option("--apply", help="do it; without this only say what")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask (needed without a terminal)")]
Reason = Annotated[
    str, typer.Option(help="why; it is kept with the tables, so name no person in it")
]
Processes = Annotated[
    int | None, typer.Option(min=1, max=12, help="that fold side by side; as many as processors")
]
Differing = Annotated[
    bool, typer.Option("--differing", help="although rows differ: the live ones are the wrong ones")
]

_REASON_MAX: Final = 200
_DIFFERENCES: Final = ("table", "case_id", "row", "column", "live", "rebuilt")
_STANDS: Final = ("schema", "is", "records", "behind", "cases", "folded_at", "differences")
_ONE: Final = """
SELECT (SELECT sum(next)::bigint FROM {0}.offsets) AS records,
       (SELECT count(*) FROM {0}.cases) AS cases,
       (SELECT folded_at FROM {0}.origin) AS folded_at,
       (SELECT differences FROM {0}.origin) AS differences
"""
_ACTS: Final = "SELECT act, reason, done_at, done_by FROM {}.acts ORDER BY done_at DESC LIMIT 10"

_T = TypeVar("_T")


@app.command()
def run(
    context: typer.Context,
    reason: Reason,
    apply: Apply = False,
    processes: Processes = None,
) -> None:
    """Fold the whole log into new tables and compare them with the live ones. Exit 3: they differ.

    The system goes on meanwhile. What was killed goes on where it was. Nobody reads the new tables
    before `rebuild swap`.
    """
    found = run_of(context)
    _require_reason(reason)
    if not apply:
        _done(_show(found))
        found.screen.say("DRY RUN: nothing was changed; --apply folds the log into new tables")
        return
    gc.disable()  # a fold makes no cycles, and this process ends with it
    _report(found, _done(_run(found, reason, processes or os.cpu_count() or 1)))


@app.command()
def status(context: typer.Context) -> None:
    """Which tables there are, how far each is folded, and what operators did with them."""
    found = run_of(context)
    _done(_show(found))


@app.command()
def compare(context: typer.Context) -> None:
    """The rebuilt tables against the live ones, row by row. Exit 3: they differ."""
    found = run_of(context)
    _report(found, _done(comparing.compare(_site(found))))


@app.command()
def swap(
    context: typer.Context,
    reason: Reason,
    apply: Apply = False,
    yes: Yes = False,
    differing: Differing = False,
) -> None:
    """Make the rebuilt tables the live ones; those that were are kept for `rebuild rollback`."""
    found = run_of(context)
    _require_reason(reason)
    if _done(_has_live(found)):
        _report(found, _done(comparing.compare(_site(found))), is_fatal=not differing)
    if _confirmed(found, "Make the rebuilt tables the live ones?", apply=apply, yes=yes):
        _done(_alone(found, rebuilding.swap(_site(found), reason)))
        found.screen.say("swapped; those before are kept: qyzmet rebuild rollback, or drop before")


@app.command()
def rollback(
    context: typer.Context, reason: Reason, apply: Apply = False, yes: Yes = False
) -> None:
    """Bring the tables from before the last swap up to now, and make them the live ones again."""
    found = run_of(context)
    _require_reason(reason)
    _done(_show(found))
    if _confirmed(found, "Make the tables from before live again?", apply=apply, yes=yes):
        _done(_alone(found, rebuilding.roll_back(_site(found), reason)))
        found.screen.say("rolled back; the other tables are kept as those from before")


@app.command()
def drop(
    context: typer.Context,
    which: Annotated[Literal["next", "before"], typer.Argument(help="never the live ones")],
    reason: Reason,
    apply: Apply = False,
    yes: Yes = False,
) -> None:
    """Delete tables that are not live: those of a rebuild, or those kept from before a swap."""
    found = run_of(context)
    _require_reason(reason)
    site = _site(found)
    schema = site.schemas.next if which == "next" else site.schemas.before
    _done(_show(found))
    if _confirmed(found, f"Delete {schema}?", apply=apply, yes=yes):
        _done(_alone(found, rebuilding.discard(site, schema, reason)))
        found.screen.say(f"{schema} is deleted")


# ---- how ----------------------------------------------------------------------------------------


def _site(found: Run) -> Site:
    settings = found.settings()
    return Site(settings.bootstrap, settings.database, Schemas(_LIVE), "qyzmet-rebuild")


_LIVE: Final = "casebook"


def _done(work: Coroutine[Any, Any, _T]) -> _T:
    """What came of it. Raises Failure."""
    try:
        return uvloop.run(work)
    except (CannotRebuild, ForeignLog) as fault:
        raise Failure(str(fault)) from None
    except Conflict:
        raise Failure("somebody else folds into the new tables: is it run twice?") from None


async def _alone(found: Run, work: Coroutine[Any, Any, None]) -> None:
    async with alone(_site(found)):
        await work


async def _has_live(found: Run) -> bool:
    site = _site(found)
    async with site.connected(site.schemas.live) as connection:
        return await exists(connection, site.schemas.live)


async def _run(found: Run, reason: str, processes: int) -> Comparison:
    site, screen = _site(found), found.screen
    async with alone(site):
        await rebuilding.prepare(site, reason)
        async with site.log() as log:
            ends = await rebuilding.ends_in_bulk(site, log)
        async with site.connected(site.schemas.next) as connection:
            at = await reached(connection, site.schemas.next)
        total = sum(end - at[place] for place, end in ends.items())
        began = time.monotonic()
        with screen.progress("folding", total) as meter:
            await fill_in_processes(site, ends, processes, meter.advance)
        took = max(time.monotonic() - began, 0.001)
        screen.say(f"{total:,} records folded in {took:.1f} s: {total / took:,.0f}/s")
        await rebuilding.finish(site)
        async with site.connected(site.schemas.live) as connection:
            if not await exists(connection, site.schemas.live):
                raise CannotRebuild("there are no live tables to compare with: rebuild swap")
        return await comparing.compare(site)


async def _show(found: Run) -> None:
    site = _site(found)
    names, rows, acts = site.schemas, [], []
    async with site.log() as log:
        end = sum((await log.ends()).values())
    async with site.connected(names.live) as connection:
        for schema, is_ in (
            (names.live, "live"),
            (names.next, "rebuilt, not live yet"),
            (names.before, "kept from before the swap"),
        ):
            if await exists(connection, schema):
                [one] = await connection.fetch(_ONE.format(schema))
                behind = end - (one["records"] or 0)
                rows.append({"schema": schema, "is": is_, "behind": behind, **dict(one)})
        if await exists(connection, names.live):
            acts = [dict(row) for row in await connection.fetch(_ACTS.format(names.live))]
    if found.screen.form.value == "table":
        found.screen.rows(rows, _STANDS, empty="there are no tables")
        if acts:
            found.screen.show()
            found.screen.rows(acts, ("done_at", "act", "done_by", "reason"))
    else:
        found.screen.record({"log_end": end, "schemas": rows, "acts": acts})


def _report(found: Run, compared: Comparison, *, is_fatal: bool = True) -> None:
    """What was compared; exit 3 if it differs and that is fatal."""
    screen = found.screen
    rows = [asdict(each) for each in compared.kept]
    if screen.form.value == "table":
        tables = [
            {"table": table, "rows": count, "differing": compared.counts[table]}
            for table, count in compared.rows.items()
        ]
        screen.rows(tables, ("table", "rows", "differing"))
        screen.show()
        screen.rows(rows, _DIFFERENCES, empty="live and rebuilt tables are equal")
    else:
        screen.record(
            {
                "ok": not compared.total,
                "rows": compared.rows,
                "differing": dict(compared.counts),
                "differences": rows,
            }
        )
    if compared.total:
        screen.complain(f"{compared.total} rows differ; {len(rows)} differences are shown")
        if is_fatal:
            raise typer.Exit(Status.DIFFERENCES)


def _require_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= _REASON_MAX:
        raise Failure(f"--reason: 1 to {_REASON_MAX} characters", Status.USAGE)


def _confirmed(found: Run, question: str, *, apply: bool, yes: bool) -> bool:
    if not apply:
        found.screen.say("DRY RUN: nothing was changed; --apply does it")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Failure("without a terminal --apply needs --yes", Status.USAGE)
    if not Confirm.ask(question, console=found.screen.err, default=False):
        raise Failure("nothing was changed")
    return True
