"""`qyzmet log`: mending the log from the journals of all stages."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer
from rich.prompt import Confirm

from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.ledger import take_in
from services.casebook.cli.run import Run, run_of
from services.casebook.evidence import Findings
from services.casebook.journals import open_journals, schemas_of_stages
from services.casebook.mending import CannotMend, Differs, hold, mend, plan
from services.casebook.verification import LogLedger
from shared.identifiers import Source
from shared.journal.resending import resending
from shared.messaging.topics import TOPICS, create_topics, delete_topics, missing_topics
from shared.postgres.pool import Connection

app = typer.Typer(no_args_is_help=True, help="The log: mend it from the journals.")

Apply = Annotated[bool, typer.Option("--apply", help="do it; without this only say what")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask (needed without a terminal)")]
Replace = Annotated[
    bool, typer.Option("--replace", help="delete the topics first, if the journals have all of it")
]

_NAMES: Final = tuple(topic.name for topic in TOPICS)


@app.command()
def republish(
    context: typer.Context, apply: Apply = False, replace: Replace = False, yes: Yes = False
) -> None:
    """Write the whole log anew from the journals, into topics that are empty or missing.

    All services have to be stopped. Afterwards they read the log from its first record.
    """
    run = run_of(context)
    _confirm(run, "Write the log anew?", apply=apply, yes=yes)
    asyncio.run(_republish(run, apply=apply, replace=replace))


@app.command()
def repair(context: typer.Context, apply: Apply = False, yes: Yes = False) -> None:
    """Send what the log lacks and the journals have: for a log that is older than the database.

    All services have to be stopped. Afterwards they read the log from its first record.
    """
    run = run_of(context)
    _confirm(run, "Send to the log what it lacks?", apply=apply, yes=yes)
    asyncio.run(_repair(run, apply=apply))


def _confirm(run: Run, question: str, *, apply: bool, yes: bool) -> None:
    if not apply or yes:
        return
    if not sys.stdin.isatty():
        raise Failure("without a terminal --apply needs --yes", Status.USAGE)
    if not Confirm.ask(question, console=run.screen.err, default=False):
        raise Failure("nothing was changed")


async def _republish(run: Run, *, apply: bool, replace: bool) -> None:
    settings = run.settings()
    ledger = await _log_as_it_is(run, settings.bootstrap)
    async with _journals(run, hold_them=apply) as (connection, sources):
        found = await plan(connection, sources, ledger)
        if ledger.facts and not replace:
            raise Failure(
                f"the log holds {len(ledger.facts)} facts: --replace deletes them first, if the"
                " journals have all of them; `qyzmet log repair` sends only what the log lacks"
            )
        if found.foreign:
            raise Failure(
                f"{found.foreign} facts of the log stand in no journal and would be lost: start"
                " the stages first, each reads its own back",
                Status.DIFFERENCES,
            )
        _show(run, found.facts, found.facts, apply=apply)
        if apply:
            existing = set(_NAMES) - set(await missing_topics(settings.bootstrap))
            if ledger.facts:
                await delete_topics(settings.bootstrap, sorted(existing))
            await _write(run, connection, sources, LogLedger(Findings()))


async def _repair(run: Run, *, apply: bool) -> None:
    ledger = await _log_as_it_is(run, run.settings().bootstrap)
    async with _journals(run, hold_them=apply) as (connection, sources):
        found = await plan(connection, sources, ledger)
        if found.foreign:
            run.screen.say(
                f"{found.foreign} facts of the log stand in no journal: each stage reads its own"
                " back when it starts"
            )
        _show(run, found.facts, found.lacking, apply=apply)
        if apply:
            await _write(run, connection, sources, ledger)


@asynccontextmanager
async def _journals(run: Run, *, hold_them: bool) -> AsyncIterator[tuple[Connection, list[Source]]]:
    """The journals in one transaction; held, so that no stage starts meanwhile."""
    connection = await open_journals(run.settings().database)
    try:
        async with connection.transaction():
            sources = await schemas_of_stages(connection)
            if not sources:
                raise Failure("the database has no journals")
            if hold_them:
                await hold(connection, sources)
            yield connection, sources
    except CannotMend as fault:
        is_differing = isinstance(fault, Differs)
        status = Status.DIFFERENCES if is_differing else Status.FAILED
        raise Failure(str(fault), status) from None
    finally:
        await connection.close()


async def _log_as_it_is(run: Run, bootstrap: str) -> LogLedger:
    """What stands in the topics that are there. Raises Failure when it contradicts itself."""
    findings = Findings()
    ledger = LogLedger(findings)
    missing = await missing_topics(bootstrap)
    there = [name for name in _NAMES if name not in missing]
    await take_in(run.screen, bootstrap, there, ledger)
    if findings.kept:
        raise Failure("the log contradicts itself: qyzmet audit verify", Status.DIFFERENCES)
    return ledger


async def _write(
    run: Run, connection: Connection, sources: list[Source], ledger: LogLedger
) -> None:
    bootstrap = run.settings().bootstrap
    for name in await create_topics(bootstrap):
        run.screen.say(f"the topic {name} was made")
    with run.screen.progress("journals", None) as meter:
        async with resending(bootstrap) as resend:
            sent = await mend(connection, sources, ledger, resend, meter.advance)
    run.screen.say(f"{sent} facts were sent; start the services: they read the log from the first")


def _show(
    run: Run, facts: Mapping[Source, int], to_send: Mapping[Source, int], *, apply: bool
) -> None:
    rows = [
        {"stage": source.value, "journal": facts.get(source, 0), "to_send": to_send.get(source, 0)}
        for source in Source
    ]
    run.screen.rows(rows, ("stage", "journal", "to_send"))
    if not apply:
        run.screen.say("DRY RUN: nothing was changed; --apply does it, with all services stopped")
