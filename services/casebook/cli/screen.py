"""What a command shows: answers on stdout, and everything about its work on stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from shared.clock import DEPARTMENT_ZONE

_PIPED_WIDTH = 240
"""Wide enough that no line of ours is broken where nobody looks."""


class Form(StrEnum):
    """How answers are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Zone(StrEnum):
    """In which time moments are shown to people; JSON always has UTC."""

    UTC = "utc"
    LOCAL = "local"


Values = Mapping[str, object]


@dataclass(frozen=True)
class Screen:
    """See the module. One for each run of a command."""

    form: Form = Form.TABLE
    zone: Zone = Zone.LOCAL
    quiet: bool = False
    colour: bool = True
    out: Console = field(init=False)
    err: Console = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", _console(stderr=False, colour=self.colour))
        object.__setattr__(self, "err", _console(stderr=True, colour=self.colour))

    # ---- answers, on stdout ---------------------------------------------------------------------

    def rows(self, rows: Sequence[Values], columns: Sequence[str], empty: str = "none") -> None:
        """A list: a table of the columns, or all values as JSON."""
        if self.form is Form.JSON:
            self._write(json.dumps([_plain(row) for row in rows], indent=2, ensure_ascii=False))
        elif self.form is Form.JSONL:
            for row in rows:
                self.line(row)
        elif not rows:
            self.say(empty)
        else:
            self.show(self.table(rows, columns))

    def record(self, values: Values) -> None:
        """One thing: its values below each other, or as one JSON object."""
        if self.form is Form.JSON:
            self._write(json.dumps(_plain(values), indent=2, ensure_ascii=False))
        elif self.form is Form.JSONL:
            self.line(values)
        else:
            grid = Table.grid(padding=(0, 2))
            for name, value in values.items():
                grid.add_row(Text(name.replace("_", " "), style="bold"), self.text(value))
            self.show(grid)

    def line(self, values: Values) -> None:
        """One JSON object in a line."""
        self._write(json.dumps(_plain(values), ensure_ascii=False, separators=(",", ":")))

    def show(self, *what: object) -> None:
        """Something for people, when they are asked for a table."""
        if self.form is not Form.TABLE:
            return
        if self.out.is_terminal:
            self.out.print(*what)
            return
        with self.out.capture() as written:
            self.out.print(*what)
        for line in written.get().splitlines():
            self._write(line.rstrip())

    def plain(self, text: str) -> None:
        """Lines as they are."""
        self._write(text.rstrip("\n"))

    def table(self, rows: Iterable[Values], columns: Sequence[str]) -> Table:
        """A table of some columns of the rows."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(self.text(row.get(column)) for column in columns))
        return table

    def text(self, value: object) -> Text:
        """A value for people."""
        match value:
            case Text():
                return value
            case None:
                return Text("–", style="dim")
            case bool():
                shown = "yes" if value else "no"
            case datetime():
                shown = self.moment(value)
            case list() | tuple():
                shown = ", ".join(str(part) for part in value) or "–"
            case str() if (found := _moment(value)) is not None:
                shown = self.moment(found)
            case _:
                shown = str(value)
        return Text(shown)

    def moment(self, moment: datetime) -> str:
        """A moment, to the second, in the zone that was chosen."""
        zone = UTC if self.zone is Zone.UTC else DEPARTMENT_ZONE
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S%z")[:-2]

    def moment_of(self, text: str) -> str:
        """A moment out of a JSON value."""
        return self.moment(datetime.fromisoformat(text))

    # ---- about the work, on stderr --------------------------------------------------------------

    def say(self, text: str) -> None:
        """How it goes; not with -q."""
        if not self.quiet:
            self.err.print(Text(text))

    def complain(self, text: str) -> None:
        """What went wrong, also with -q."""
        self.err.print(Text(text, style="red"))

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator["Meter"]:
        """A bar while it lasts, on a terminal only."""
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.err,
            transient=True,
            disable=self.quiet or not self.err.is_terminal,
        )
        with bar:
            yield Meter(bar, total, what)

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Of the last moments; nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Meter:
    """How far something is."""

    def __init__(self, bar: Progress, total: int | None, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        """So many more are done."""
        self._bar.advance(self._task, steps)


def _console(*, stderr: bool, colour: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        no_color=True if not colour else None,
        highlight=False,
        soft_wrap=not stream.isatty(),
        width=None if stream.isatty() else _PIPED_WIDTH,
    )


def _plain(values: Values) -> dict[str, object]:
    return {name: _json(value) for name, value in values.items()}


def _json(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID() | Text():
            return str(value)
        case Mapping():
            return {str(name): _json(part) for name, part in value.items()}
        case list() | tuple():
            return [_json(part) for part in value]
        case _:
            return value


def _moment(text: str) -> datetime | None:
    """A moment as our services write it, in the text of a JSON value."""
    if not (text[:2] == "20" and "T" in text[:11]):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
