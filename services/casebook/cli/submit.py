"""`qyzmet submit FILE...`: applications in batches, each answered on its own."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.casebook.cli.applications import Line, lines_of
from services.casebook.cli.exits import Failure, Problem, Status
from services.casebook.cli.run import OFFICE, Run, run_of, specialist
from services.casebook.cli.screen import Form, Screen
from services.casebook.cli.service import Person, Services

_BATCH_MAX: Final = 500
_BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
_TOLD: Final = ("rule", "expected", "found", "field", "clause")
_OUTCOMES: Final = ("accepted", "pending", "repeated", "failed", "not sent")
"""Recorded and published; recorded, publication pending; was there already."""

app = typer.Typer()

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="JSON array, JSON lines or CSV; - is stdin")
]
As = Annotated[str, typer.Option("--as", metavar="STAFF@OFFICE", help="who takes them in")]
Again = Annotated[str, typer.Option(help="a word that makes the same lines new applications")]


@dataclass
class Report:
    """What became of each line, told as it comes."""

    screen: Screen
    counts: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, object]] = field(default_factory=list)

    def tell(self, line: Line, outcome: str, told: Mapping[str, Any]) -> None:
        """One line's outcome."""
        self.counts[outcome] += 1
        row: dict[str, object] = {"file": line.file, "line": line.number, "outcome": outcome}
        row |= {name: told[name] for name in ("case_id", "position", *_TOLD) if told.get(name)}
        match self.screen.form:
            case Form.JSON:
                self.rows.append(row)
            case Form.JSONL:
                self.screen.line(row)
            case Form.TABLE:
                self.screen.plain(_shown(line, outcome, told))

    @property
    def status(self) -> Status:
        """How the command ends."""
        bad = self.counts["failed"] + self.counts["not sent"]
        if not bad:
            return Status.OK
        return Status.PARTIAL if bad < self.counts.total() else Status.FAILED


@app.command()
def submit(
    context: typer.Context,
    files: Files,
    as_: As = f"demo-specialist@{OFFICE}",
    again: Again = "",
) -> None:
    """File applications. A repeated submit of the same lines changes nothing.

    Exit 4 when some lines failed, 1 when all did.
    """
    run = run_of(context)
    staff, _, office = as_.partition("@")
    who = specialist(staff, office or OFFICE)
    lines = [line for path in files for line in lines_of(path, _text(path), again)]
    report = Report(run.screen)
    with run.services() as services, run.screen.progress("applications", len(lines)) as meter:
        for batch in _batches(lines, report):
            _send(services, who, batch, report)
            meter.advance(len(batch))
    if run.screen.form is Form.JSON:
        run.screen.rows(report.rows, ())
    _conclude(run, report)
    raise typer.Exit(report.status)


def _conclude(run: Run, report: Report) -> None:
    counts = [f"{report.counts[name]} {name}" for name in _OUTCOMES if report.counts[name]]
    run.screen.say(", ".join(counts) or "nothing to submit")
    if report.counts["not sent"]:
        run.screen.complain("submit the same files again to send the rest")


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Failure(f"{path}: not UTF-8", Status.USAGE) from None
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}", Status.USAGE) from None


def _batches(lines: Sequence[Line], report: Report) -> Iterator[list[Line]]:
    """Lines that can be sent, up to 500 and some megabytes at once; the others are told."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        if line.application is None:
            report.tell(line, "failed", {"rule": "a line is an application", "found": line.fault})
            continue
        length = len(json.dumps(line.application))
        if batch and (len(batch) == _BATCH_MAX or size + length > _BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def _send(services: Services, who: Person, batch: Sequence[Line], report: Report) -> None:
    """One batch. When the service cannot be had its lines are told as not sent."""
    items = [{"key": line.key, "application": line.application} for line in batch]
    try:
        reply = services.ask(
            "POST", "intake", "/applications/batch", who, body={"applications": items}
        )
    except Problem as problem:
        if problem.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        answers = [{"rule": "the service is there", "found": "not now", "status": 0}] * len(batch)
    except Failure as failure:
        answers = [{"rule": "the service is there", "found": str(failure), "status": 0}]
        answers *= len(batch)
    else:
        answers = reply.body["answers"]
    for line, answer in zip(batch, answers, strict=True):
        report.tell(line, _outcome(answer), answer)


def _outcome(answer: Mapping[str, Any]) -> str:
    status = answer["status"]
    if status == 0:
        return "not sent"
    if status >= HTTPStatus.BAD_REQUEST:
        return "failed"
    if status == HTTPStatus.ACCEPTED:
        return "pending"
    return "repeated" if answer["repeated"] else "accepted"


def _shown(line: Line, outcome: str, told: Mapping[str, Any]) -> str:
    text = f"{line.file}:{line.number}  {outcome:9} {told.get('case_id', '')}"
    if told.get("rule") is None:
        return text
    parts = [f"{name} {told[name]}" for name in _TOLD[1:] if told.get(name)]
    return f"{text.rstrip()}  {told['rule']}: {', '.join(parts)}"
