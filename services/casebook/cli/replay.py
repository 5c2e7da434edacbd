"""`qyzmet replay`: going through cases again; would the rules of their edition decide the same?

It reads the log and writes nothing anywhere but what it is told to show.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from time import process_time
from typing import Annotated, Final
from uuid import UUID

import typer
import uvloop

from services.casebook.case_document import Inspection, proven
from services.casebook.case_order import CaseOrder
from services.casebook.cli.exits import Status
from services.casebook.cli.ledger import Scanned
from services.casebook.cli.naming import case_in_tables, moment_of
from services.casebook.cli.run import Run, run_of
from services.casebook.cli.screen import Form
from services.casebook.evidence import LogRecord
from services.casebook.grounds import Calendars, Grounds, People
from services.casebook.redeciding import Verdict
from services.casebook.replaying import Replayed, Totals, Wanted, file_of, people_in, replayed
from shared.garbage import collect_rarely
from shared.identifiers import DEPARTMENT, CaseId
from shared.messaging.log import open_log
from shared.messaging.topics import DEPARTMENT_EVENTS, TOPICS, place_of
from shared.procedures.catalogue import load_catalogue

app = typer.Typer()

Name = Annotated[str | None, typer.Argument(metavar="[ID|NUMBER]", help="one case; else see below")]
Moment = Annotated[str | None, typer.Option(help="a moment or an age: of the lodging")]
File = Annotated[
    Path | None, typer.Option("--inspection", help="write all of it there", dir_okay=False)
]

_NAMES: Final = tuple(topic.name for topic in TOPICS)
_SHOWN_MAX: Final = 1000
_COLUMNS: Final = (
    "recorded_at", "case", "fact", "actor", "clauses", "due", "changed", "verdict", "why",
)  # fmt: skip


@dataclass
class Output:
    """Where what was replayed goes: lines as they come, a document, rows for a table."""

    run: Run
    inspection: Inspection | None
    is_of_one: bool
    rows: list[dict[str, object]] = field(default_factory=list)
    left_out: int = 0

    def take(
        self, case_id: CaseId, records: Sequence[LogRecord], facts: Iterator[Replayed]
    ) -> None:
        """One case."""
        found = list(facts)
        if self.inspection is not None:
            replay = {each.key: each.values() for each in found}
            self.inspection.add(proven(case_id, records, replay))
        for each in found:
            self._show(each)

    def _show(self, each: Replayed) -> None:
        form = self.run.screen.form
        if form is Form.JSONL:
            self.run.screen.line(each.values())
        elif form is Form.TABLE and (self.is_of_one or each.result.verdict in _TELLING):
            if len(self.rows) < _SHOWN_MAX:
                self.rows.append(_for_people(self.run, each))
            else:
                self.left_out += 1


_TELLING: Final = (Verdict.DIFFERS, Verdict.UNKNOWABLE)


@app.command()
def replay(
    context: typer.Context,
    case: Name = None,
    *,
    procedure: Annotated[str | None, typer.Option()] = None,
    office: Annotated[str | None, typer.Option()] = None,
    executor: Annotated[str | None, typer.Option()] = None,
    outcome: Annotated[str | None, typer.Option()] = None,
    since: Moment = None,
    until: Moment = None,
    inspection: File = None,
) -> None:
    """Go through a case, a set of cases or the whole log again, fact by fact; nothing is touched.

    Each fact with its clause, actor, due and what it changed; and whether the rules, with the law
    of its edition and what was known then, tell the same today. What the log does not tell (sealed
    text, loads) is named, not guessed. -o json is the inspection file. Exit 3 if a fact differs, 4
    if not all of the log could be read.
    """
    run = run_of(context)
    wanted = Wanted(procedure, office, executor, outcome, _moment(since), _moment(until))
    only = None if case is None else CaseId(UUID(case_in_tables(run, case)))
    began = process_time()
    collect_rarely()
    with ExitStack() as stack:
        out = sys.stdout if inspection is None else None
        if inspection is not None:
            out = stack.enter_context(inspection.open("w", encoding="utf-8"))
        head = {"of": {"case": None if only is None else str(only), **asdict(wanted)}}
        is_document = inspection is not None or run.screen.form is Form.JSON
        document = Inspection(out, head) if is_document and out is not None else None
        output = Output(run, document, is_of_one=only is not None)
        totals = uvloop.run(_replay(run, only, wanted, output))
        if document is not None:
            document.close(_values(totals))
    used_s = max(process_time() - began, 0.001)
    run.screen.say(f"{totals.facts} facts, {totals.facts / used_s:.0f} a second of one core")
    if run.screen.form is Form.TABLE:
        run.screen.rows(output.rows, _COLUMNS, empty="no fact differs")
        if output.left_out:
            run.screen.complain(f"{output.left_out} more are not shown: -o jsonl shows all")
    if run.screen.form is Form.TABLE or (run.screen.form is Form.JSON and inspection is not None):
        run.screen.record(_values(totals))
    if totals.verdicts[Verdict.DIFFERS.value]:
        raise typer.Exit(Status.DIFFERENCES)
    if totals.unreadable:
        raise typer.Exit(Status.PARTIAL)


async def _replay(run: Run, only: CaseId | None, wanted: Wanted, output: Output) -> Totals:
    totals = Totals()
    with CaseOrder() as order:
        people = await _gathered(run, order, totals, only)
        grounds = Grounds(run.rules, load_catalogue(), people, Calendars().named)
        with run.screen.progress("cases", order.records) as meter:
            for case_id, records in order.cases():
                file = file_of(case_id, records)
                if only in (None, case_id) and wanted(file.standing):
                    output.take(case_id, records, replayed(file, grounds, totals))
                meter.advance(len(records))
    return totals


async def _gathered(run: Run, order: CaseOrder, totals: Totals, only: CaseId | None) -> People:
    """The records in the order of their cases; and who worked here when."""
    places = None if only is None else [place_of(only), place_of(DEPARTMENT)]
    department: list[LogRecord] = []
    async with open_log(run.settings().bootstrap, _NAMES) as log:
        ends = await log.ends()
        total = sum(end for place, end in ends.items() if places is None or place in places)
        with run.screen.progress("log", total) as meter:
            async for batch in Scanned(log, meter).batches(places):
                if not isinstance(batch, list):
                    run.screen.complain(f"{batch.flaw.value}: {batch.finding.record}")
                    totals.unreadable += batch.last - batch.first + 1
                    continue
                for record in batch:
                    if record.topic == DEPARTMENT_EVENTS:
                        department.append(record)
                    if only is None or record.key == str(only).encode():
                        order.take(record)
    return People(people_in(file_of(DEPARTMENT, department)))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment_of(text)


def _values(totals: Totals) -> dict[str, object]:
    verdicts = {verdict.value: totals.verdicts[verdict.value] for verdict in Verdict}
    return {
        "cases": totals.cases,
        "facts": totals.facts,
        **verdicts,
        "set_aside": totals.aside,
        "unreadable": totals.unreadable,
    }


def _for_people(run: Run, each: Replayed) -> dict[str, object]:
    envelope, result, due = each.fact.envelope, each.result, each.due
    flag = [] if each.held is not False else ["did not hold the case: no effect"]
    open_ = [f"{name}: {why}" for name, why in result.open.items()]
    return {
        "recorded_at": envelope.time,
        "case": str(envelope.case_id),
        "fact": f"{envelope.source.value} · {envelope.type.split('.')[2].replace('-', ' ')}",
        "actor": envelope.actor,
        "clauses": list(each.clauses),
        "due": None if due is None else f"{run.screen.text(due.at)} ({due.clause})",
        "changed": _changed(run, each.changed),
        "verdict": result.verdict.value,
        "why": "; ".join([*flag, *result.why, *open_]),
    }


def _changed(run: Run, changes: Mapping[str, tuple[object, object]]) -> str:
    told = ((name.replace("_", " "), after) for name, (_, after) in changes.items())
    return ", ".join(
        f"{name} {run.screen.text(after)}" for name, after in told if after is not None
    )
