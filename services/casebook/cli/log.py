"""`qyzmet log`: the journals of all stages against the log; mending the log from them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final

import typer
from rich.prompt import Confirm

from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.ledger import take_in
from services.casebook.cli.run import Run, run_of
from services.casebook.cli.screen import Form, Screen
from services.casebook.evidence import Findings
from services.casebook.journals import (
    journal_of,
    open_journals,
    schemas_of_stages,
    strays_of,
)
from services.casebook.mending import CannotMend, Differs, hold, mend, plan
from services.casebook.verification import JournalReader, LogLedger, stray, unknown_to_journals
from shared.clock import now
from shared.identifiers import Source
from shared.journal.resending import resending
from shared.messaging.topics import TOPICS, create_topics, delete_topics, missing_topics
from shared.postgres.pool import Connection

app = typer.Typer(no_args_is_help=True, help="The log: verify it, mend it from the journals.")

Apply = Annotated[bool, typer.Option("--apply", help="do it; without this only say what")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask (needed without a terminal)")]
Replace = Annotated[
    bool, typer.Option("--replace", help="delete the topics first, if the journals have all of it")
]

_NAMES: Final = tuple(topic.name for topic in TOPICS)
_STAGE_COLUMNS: Final = ("stage", "journal", "in_log", "newer")
_FINDING_COLUMNS: Final = (
    "flaw", "source", "case_id", "sequence", "record", "position", "expected", "found",
)  # fmt: skip


@dataclass
class Report:
    """What `verify` compared, and what it found."""

    findings: Findings = field(default_factory=Findings)
    stages: list[dict[str, object]] = field(default_factory=list)
    facts: int = 0
    duplicates: int = 0


@app.command()
def verify(context: typer.Context) -> None:
    """Does the log hold exactly what the journals recorded, unbroken? Exit 3 names what differs.

    Counts, sequences without gaps, hash chains, and every row's bytes at its place in the log.
    It can be asked while the system runs.
    """
    run = run_of(context)
    report = asyncio.run(_verify(run))
    findings = [asdict(finding) for finding in report.findings.kept]
    ok = not findings
    if run.screen.form is Form.TABLE:
        run.screen.rows(report.stages, _STAGE_COLUMNS)
        run.screen.show()
        run.screen.show(f"{report.facts} facts in the log, {report.duplicates} duplicates")
        run.screen.rows(findings, _FINDING_COLUMNS, empty="log and journals tell the same")
    else:
        run.screen.record(
            {
                "ok": ok,
                "stages": report.stages,
                "log": {"facts": report.facts, "duplicates": report.duplicates},
                "counts": {flaw.value: found for flaw, found in report.findings.counts.items()},
                "findings": findings,
            }
        )
    if not ok:
        total = report.findings.counts.total()
        run.screen.complain(f"{total} findings; {len(findings)} are shown")
        raise typer.Exit(Status.DIFFERENCES)


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


# ---- verify -------------------------------------------------------------------------------------


async def _verify(run: Run) -> Report:
    settings, report, began = run.settings(), Report(), now()
    await _require_topics(settings.bootstrap)
    ledger = LogLedger(report.findings)
    ends = await take_in(run.screen, settings.bootstrap, _NAMES, ledger)
    ledger.conclude()
    report.facts, report.duplicates = len(ledger.facts), ledger.duplicates
    connection = await open_journals(settings.database)
    readers = []
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for source in await schemas_of_stages(connection):
                reader = JournalReader(ledger, report.findings, ends, began)
                await _read_journal(run.screen, connection, source, reader)
                for table in ("published", "outbox"):
                    positions = await strays_of(connection, source, table)
                    stray(source, table, positions, report.findings)
                readers.append((source, reader))
    finally:
        await connection.close()
    if not all(reader.is_settled for _, reader in readers):
        tail = LogLedger(Findings())
        await take_in(run.screen, settings.bootstrap, _NAMES, tail, ends)
        for _, reader in readers:
            reader.settle(tail)
    unknown_to_journals(ledger, report.findings)
    report.stages = [
        {
            "stage": source.value,
            "journal": reader.counts.rows,
            "in_log": reader.counts.in_log,
            "newer": reader.counts.newer,
        }
        for source, reader in readers
    ]
    return report


async def _read_journal(
    screen: Screen, connection: Connection, source: Source, reader: JournalReader
) -> None:
    with screen.progress(f"journal of {source.value}", None) as meter:
        async for row in journal_of(connection, source):
            reader.take(row)
            meter.advance()


async def _require_topics(bootstrap: str) -> None:
    missing = await missing_topics(bootstrap)
    if missing:
        raise Failure(f"there is no topic {', '.join(missing)}: qyzmet log republish makes it")


# ---- republish, repair --------------------------------------------------------------------------


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
        raise Failure("the log contradicts itself: qyzmet log verify", Status.DIFFERENCES)
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
