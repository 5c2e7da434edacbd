"""How the demo is told: each fact as it happens, and at the end what came of each case."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rich.text import Text

from services.casebook.cli.cases import due_text, short
from services.casebook.cli.demo.stories import Story
from services.casebook.cli.exits import Problem
from services.casebook.cli.run import Run
from services.casebook.cli.screen import Form

_COLUMNS: Final = (
    "number", "case", "procedure", "story", "result_kind", "state", "outcome", "result_number",
    "verdict",
)  # fmt: skip
_TELLING: Final = (
    "result_kind", "registration_number", "executor", "outcome", "ground", "message", "papers",
    "result_number", "way",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a story."""

    number: int
    story: str
    procedure: str
    office: str
    case: str | None
    registration_number: str | None
    result_kind: str | None
    state: str | None
    outcome: str | None
    result_number: str | None
    ok: bool
    why: str | None
    """What differs from what was expected."""


@dataclass
class Telling:
    """See the module. Implements what the acts show."""

    run: Run
    _widths: list[int] = field(default_factory=lambda: [22, 35, 27, 8])

    def begin(self, number: int, story: Story) -> None:
        """A new case."""
        title = f"{number}. {story.procedure}: {story.title} · {story.office}"
        self.run.screen.show()
        self.run.screen.show(Text(f"── {title} ".ljust(100, "─"), style="bold"))

    def fact(self, case_id: str, fact: Mapping[str, Any]) -> None:
        """One line of a timeline."""
        screen = self.run.screen
        if screen.form is Form.JSONL:
            screen.line({"told": "fact", "case_id": case_id, **fact})
        words = [fact["said"].get(name) for name in _TELLING]
        said = ", ".join(_worded(word) for word in words if word is not None)
        due = due_text(self.run, fact["due"])
        columns = (
            (screen.moment_of(fact["recorded_at"]), "dim"),
            (f"{fact['source']}: {short(fact['type'])}", "cyan"),
            (fact["actor"], ""),
            (", ".join(fact["clauses"]), "green"),
        )
        line = Text("  ")
        for (text, style), width in zip(columns, self._widths, strict=True):
            line.append(f"{text:{width}} ", style)
        line.append(said)
        if due is not None:
            line.append(f"{' · ' if said else ''}due {due}", "magenta")
        line.rstrip()
        screen.show(line)

    def refused(self, who: str, problem: Problem) -> None:
        """A rule said no, as it should."""
        told = problem.told
        if self.run.screen.form is Form.JSONL:
            self.run.screen.line({"told": "refusal", "who": who, **told})
        line = Text(f"  refused to staff:{who}: ", "yellow")
        line.append(f"{told.get('rule')}: expected {told.get('expected')}, found ")
        line.append(f"{told.get('found')}")
        if told.get("clause") is not None:
            line.append(f" ({told['clause']})", "green")
        self.run.screen.show(line)

    def differs(self, why: str) -> None:
        """The story did not go as it is written."""
        self.run.screen.show(Text(f"  not as expected: {why}", "bold red"))

    def end(self, results: Sequence[Result]) -> None:
        """The table of what came of everything."""
        screen = self.run.screen
        rows: list[dict[str, object]] = [asdict(result) for result in results]
        if screen.form is Form.TABLE:
            screen.show()
            rows = [_for_people(result) for result in results]
        elif screen.form is Form.JSONL:
            rows = [{"told": "result", **row} for row in rows]
        screen.rows(rows, _COLUMNS)


def _for_people(result: Result) -> dict[str, object]:
    verdict = (
        Text("ok", "green")
        if result.ok
        else Text(f"not ok: {(result.why or '').partition(chr(10))[0]}", "bold red")
    )
    case = result.registration_number or result.case
    return {**asdict(result), "case": case, "verdict": verdict}


def _worded(word: object) -> str:
    return ", ".join(str(part) for part in word) if isinstance(word, list) else str(word)
