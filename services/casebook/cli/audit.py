"""`qyzmet audit`: is everything as it was told; a case with its proof; who opened sealed data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from time import process_time
from typing import Annotated, Final
from uuid import UUID

import typer
import uvloop

from services.casebook.auditing import Report, Stand, compared, gathered
from services.casebook.case_document import case_file, written_document
from services.casebook.case_order import CaseOrder
from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.ledger import Scanned, take_in
from services.casebook.cli.naming import case_in_tables
from services.casebook.cli.run import Run, run_of
from services.casebook.cli.screen import Form
from services.casebook.evidence import Findings
from services.casebook.journals import open_journals
from services.casebook.reached import CASEBOOK, reached
from services.casebook.verification import LogLedger
from shared.clock import now
from shared.garbage import collect_rarely
from shared.identifiers import CaseId
from shared.messaging.log import open_log
from shared.messaging.topics import TOPICS, missing_topics, place_of
from shared.postgres.pool import Connection, connect
from shared.privacy.openings import OPENINGS_MAX, Opening, openings_of

app = typer.Typer(
    no_args_is_help=True,
    help="Audits: is everything as it was told; one case with its proof; who opened sealed data.",
)

Name = Annotated[str, typer.Argument(metavar="ID|NUMBER", help="case id or registration number")]
Out = Annotated[Path | None, typer.Option(help="a file; without it stdout", dir_okay=False)]

NOT_PROVEN: Final = (
    "Not proven: that nobody with all rights rewrote journals, log and projections alike."
    " Checkpoints that are signed and kept elsewhere would show it; there are none yet."
)
_NAMES: Final = tuple(topic.name for topic in TOPICS)
_STAGE_COLUMNS: Final = ("stage", "journal", "in_log", "newer")
_FINDING_COLUMNS: Final = (
    "flaw", "source", "case_id", "sequence", "record", "position", "row", "expected", "found",
)  # fmt: skip
_OPENING_COLUMNS: Final = ("opened_at", "staff", "roles", "office", "purpose", "events")


@app.command()
def verify(context: typer.Context) -> None:
    """Is everything as it was told? Exit 3 names the record, row or column of each fault.

    The log: chains, sequences, no holes, each hand-off by who held the case. The journals against
    it, both ways. casebook's tables against a fresh fold. All offsets. The system may be running.
    """
    run = run_of(context)
    collect_rarely()
    began = process_time()
    report = uvloop.run(_verify(run))
    used_s = process_time() - began
    findings = [asdict(finding) for finding in report.findings.kept]
    total = report.findings.counts.total()
    stages = [{"stage": source.value, **asdict(reader.counts)} for source, reader in report.stages]
    log = {
        "records": report.records, "facts": report.facts, "duplicates": report.duplicates,
        "cases": report.cases,
    }  # fmt: skip
    run.screen.say(f"{report.records} records, {report.records / used_s:.0f} a second of one core")
    if run.screen.form is Form.TABLE:
        stages = [{**stage, "journal": stage["rows"]} for stage in stages]
        run.screen.rows(stages, _STAGE_COLUMNS)
        run.screen.show()
        told = ", ".join(f"{count} {name}" for name, count in log.items())
        rows = "no tables to compare" if report.rows is None else f"{report.rows} rows"
        run.screen.show(f"log: {told}; casebook: {rows}")
        run.screen.rows(findings, _FINDING_COLUMNS, empty="everything is as it was told")
        run.screen.show(NOT_PROVEN)
    else:
        run.screen.record(
            {
                "ok": total == 0,
                "stages": stages,
                "log": log,
                "casebook": {"rows": report.rows},
                "counts": {flaw.value: found for flaw, found in report.findings.counts.items()},
                "findings": findings,
                "not_proven": [NOT_PROVEN],
            }
        )
    if total:
        run.screen.complain(f"{total} findings; {len(findings)} are shown")
        raise typer.Exit(Status.DIFFERENCES)


@app.command()
def export(context: typer.Context, case: Name, out: Out = None) -> None:
    """The file of one case as one JSON document, with the proof that nothing was changed in it.

    Every fact as it stands in the log, its hash and the hash before it. Sealed parts stay sealed.
    """
    run = run_of(context)
    document = asyncio.run(_export(run, CaseId(UUID(case_in_tables(run, case)))))
    if out is None:
        run.screen.plain(written_document(document))
        return
    out.write_text(f"{written_document(document)}\n", encoding="utf-8")
    run.screen.say(f"{out} was written")


@app.command("who-saw")
def who_saw(context: typer.Context, case: Name) -> None:
    """Who opened sealed data of a case: which person, in which role, what for, when.

    What runs by itself (a message to the applicant) is no person and is not in this list.
    """
    run = run_of(context)
    case_id = CaseId(UUID(case_in_tables(run, case)))
    rows = [asdict(opening) for opening in asyncio.run(_openings(run, case_id))]
    if len(rows) == OPENINGS_MAX:
        run.screen.complain(f"only the newest {OPENINGS_MAX} are shown")
    if run.screen.form is Form.TABLE:
        rows = [{**row, "events": len(row["events"])} for row in rows]
    run.screen.rows(rows, _OPENING_COLUMNS, empty="nobody has opened anything of this case")


# ---- verify -------------------------------------------------------------------------------------


async def _verify(run: Run) -> Report:
    settings, report, began = run.settings(), Report(), now()
    missing = await missing_topics(settings.bootstrap)
    if missing:
        raise Failure(f"there is no topic {', '.join(missing)}: qyzmet log republish makes it")
    with CaseOrder() as order:
        async with _snapshot(settings.database) as before:
            marks = await reached(before)
            has_tables = bool(marks.of(CASEBOOK))
            async with open_log(settings.bootstrap, _NAMES) as log:
                with run.screen.progress("log", sum((await log.ends()).values())) as meter:
                    scanned = Scanned(log, meter)
                    await gathered(scanned.batches(), order, marks, report)
            async with _snapshot(settings.database) as after:
                stand = Stand(before, after, scanned.ends, marks, began, has_tables)
                with run.screen.progress("cases", order.records) as meter:
                    await compared(order, stand, report, meter.advance)
    if not all(reader.is_settled for _, reader in report.stages):
        tail = LogLedger(Findings())
        await take_in(run.screen, settings.bootstrap, _NAMES, tail, scanned.ends)
        for _, reader in report.stages:
            reader.settle(tail)
    return report


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Connection]:
    """The database as it is at one moment; nothing can be written."""
    connection = await open_journals(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close()


# ---- export, who-saw ----------------------------------------------------------------------------


async def _export(run: Run, case_id: CaseId) -> dict[str, object]:
    bootstrap = run.settings().bootstrap
    with CaseOrder() as order:
        async with open_log(bootstrap, _NAMES) as log:
            place = place_of(case_id)
            with run.screen.progress("log", (await log.ends())[place]) as meter:
                scanned = Scanned(log, meter)
                async for batch in scanned.batches([place]):
                    for record in batch if isinstance(batch, list) else ():
                        if record.key == str(case_id).encode():
                            order.take(record)
        records = next((found for _, found in order.cases()), [])
    if not records:
        raise Failure(f"the log tells nothing of the case {case_id}")
    return case_file(case_id, records)


async def _openings(run: Run, case_id: CaseId) -> list[Opening]:
    settings = run.settings()
    connection = await connect(settings.privacy, schema="public", application_name="qyzmet")
    try:
        async with connection.transaction(readonly=True):
            return await openings_of(connection, case_id)
    finally:
        await connection.close()
