"""What the benchmark prints, and the same as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local import jars
from deploy.local.system import LocalSystem
from tests.load.measured import OWN, Measured, medians, percentile, ratio

FLOOR, GOAL = 0.25, 0.50
"""Of the durable relay's cases a second."""
LIBRARIES = ("aiokafka", "asyncpg", "faststream", "fastapi", "pydantic", "uvloop", "cryptography")
NAMES = {"raw": "raw relay", "durable": "durable relay", "ours": "Qyzmet"}


@dataclass(frozen=True)
class Report:
    """Everything that was found, per phase the runs."""

    choice: Mapping[str, int]
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    found: Mapping[str, Sequence[Measured]]

    @property
    def efficiency(self) -> float:
        """Ours through the durable relay: the median over the repetitions."""
        return ratio(self.found["ours"], self.found["durable"])

    def as_json(self) -> dict[str, Any]:
        """All numbers; a run's latencies as percentiles."""
        return {
            "choice": dict(self.choice),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "efficiency": self.efficiency,
            "ours_to_raw": ratio(self.found["ours"], self.found["raw"]),
            "floor": FLOOR,
            "goal": GOAL,
            "runs": {phase: [_run(one) for one in runs] for phase, runs in self.found.items()},
        }


def versions(system: LocalSystem) -> dict[str, str]:
    """Of all that is measured here."""
    kafka = next(jar for jar in jars.read_lock() if jar.group == "org.apache.kafka")
    return {
        "Kafka": kafka.version,
        "Postgres": system.postgres.query("SHOW server_version"),
        "Python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def machine(before: Sequence[float]) -> dict[str, str]:
    """Where it was measured."""
    return {
        "cores": str(os.cpu_count()),
        "load average before": ", ".join(f"{load:.2f}" for load in before),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def printed(report: Report) -> None:
    """The tables and the verdict."""
    console = Console(width=max(100, Console().width), highlight=False)
    for title, lines in (("", report.machine), ("", report.versions)):
        console.print(title + ", ".join(f"{name} {value}" for name, value in lines.items()))
    console.print(_phases(report))
    console.print(_details(report.found["ours"]))
    mine, durable, raw = (report.found[name] for name in ("ours", "durable", "raw"))
    rate = median(one.rate for one in durable)
    console.print(
        f"floor {FLOOR:.0%} of the durable relay = {FLOOR * rate:.0f} cases/s,"
        f" goal {GOAL:.0%} = {GOAL * rate:.0f} cases/s"
    )
    console.print(f"ours / durable: {report.efficiency:.1%}   {_each(mine, durable)}")
    console.print(f"ours / raw:     {ratio(mine, raw):.1%}   {_each(mine, raw)}")
    met = report.efficiency >= FLOOR
    console.print(
        "[bold green]The floor is met.[/]" if met else "[bold red]The floor is missed.[/]"
    )


def _each(mine: Sequence[Measured], other: Sequence[Measured]) -> str:
    pairs = zip(mine, other, strict=True)
    return "(each repetition: " + ", ".join(f"{a.rate / b.rate:.1%}" for a, b in pairs) + ")"


def _phases(report: Report) -> Table:
    table = Table(title="medians over the repetitions; CPU in ms a case, children included")
    table.add_column("")
    for name in NAMES.values():
        table.add_column(name, justify="right")
    runs = [report.found[phase] for phase in NAMES]
    cpu = [medians([one.cpu_ms for one in found]) for found in runs]
    table.add_row("cases/s", *(f"{median(one.rate for one in found):.0f}" for found in runs))
    table.add_row("  slowest - fastest", *(_spread([one.rate for one in found]) for found in runs))
    table.add_row("records a case", *(f"{found[0].records / found[0].cases:.2f}" for found in runs))
    table.add_row("lodged to issued, s, p50", *(_latency(found, 50) for found in runs))
    table.add_row("lodged to issued, s, p99", *(_latency(found, 99) for found in runs))
    table.add_row(
        "CPU of others, s", *(f"{_middle(found):.1f}" for found in runs), end_section=True
    )
    totals = (median(one.cpu_ms_total for one in found) for found in runs)
    table.add_row("CPU, all but the benchmark", *(f"{total:.2f}" for total in totals))
    names = sorted({name for found in cpu for name in found}, key=lambda name: (name in OWN, name))
    for name in names:
        cells = (f"{found[name]:.3f}" if name in found else "" for found in cpu)
        table.add_row(f"  {name}" + (" (benchmark)" if name in OWN else ""), *cells)
    return table


def _details(ours: Sequence[Measured]) -> Table:
    table = Table(title="Qyzmet, medians", show_header=False)
    details = medians([one.details for one in ours])
    for name in sorted(details):
        table.add_row(name, f"{details[name]:,.1f}")
    for type_, after_ms in medians([one.reached_ms for one in ours]).items():
        table.add_row(f"s from lodged to {type_}, p50", f"{after_ms / 1000:,.2f}")
    return table


def _spread(rates: Sequence[float]) -> str:
    return f"{min(rates):.0f} - {max(rates):.0f}"


def _latency(found: Sequence[Measured], percent: int) -> str:
    return f"{median(percentile(one.latency_ms, percent) for one in found) / 1000:.2f}"


def _middle(found: Sequence[Measured]) -> float:
    return median(one.others_cpu_s for one in found)


def _run(one: Measured) -> dict[str, Any]:
    return {
        "cases": one.cases,
        "seconds": one.seconds,
        "cases_per_second": one.rate,
        "cpu_ms_per_case": {**one.cpu_ms, "total": one.cpu_ms_total},
        "others_cpu_s": one.others_cpu_s,
        "records": one.records,
        "latency_ms": {f"p{p}": percentile(one.latency_ms, p) for p in (50, 90, 99)},
        "reached_ms": dict(one.reached_ms),
        "details": dict(one.details),
    }
