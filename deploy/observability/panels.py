"""The dashboard, panel by panel. Each query returns data on a system that works (tested)."""

from dataclasses import dataclass
from typing import Any, Final

DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, ROW = 24, 8, 3


@dataclass(frozen=True)
class Panel:
    """One question, and the query that answers it. `legend`: which label names a line."""

    title: str
    query: str
    unit: str = "short"
    legend: str = "{{job}}"


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Service level": (
        Panel("Answers that are no error", "1 - qyzmet:request_errors:ratio1h", "percentunit"),
        Panel("Requests per second", "qyzmet:requests:rate5m", "reqps"),
        Panel("Time of an answer, 99th percentile", "qyzmet:request_seconds:p99_5m", "s"),
    ),
    "Event flow": (
        Panel(
            "Events recorded per second, by type",
            "sum by (type) (rate(qyzmet_events_recorded_total[5m]))",
            "ops",
            "{{type}}",
        ),
        Panel("Records read per second", "qyzmet:records_read:rate5m", "ops"),
        Panel("From told to applied, 99th percentile", "qyzmet:read_lag_seconds:p99_5m", "s"),
        Panel("Oldest event not yet published", "qyzmet:outbox_age_seconds:max", "s"),
        Panel(
            "One round of sends, 99th percentile",
            "histogram_quantile(0.99, sum by (job, le) (rate(qyzmet_publish_seconds_bucket[5m])))",
            "s",
        ),
        Panel(
            "One batch, 99th percentile",
            "histogram_quantile(0.99, sum by (job, le) (rate(qyzmet_batch_seconds_bucket[5m])))",
            "s",
        ),
    ),
    "Cases": (
        Panel("Cases that stand aside", "qyzmet:parked_cases:max"),
        Panel(
            "Commands per second, by how they ended",
            "sum by (outcome) (rate(qyzmet_commands_total[5m]))",
            "ops",
            "{{outcome}}",
        ),
        Panel(
            "Calls to the outside, by how they ended",
            "sum by (kind, outcome) (rate(qyzmet_errands_total[5m]))",
            "ops",
            "{{kind}} {{outcome}}",
        ),
        Panel("Timers that came due", "sum by (job) (increase(qyzmet_timers_fired_total[1h]))"),
    ),
    "Faults": (
        Panel(
            "Errors that nobody foresaw",
            "sum by (job) (increase(qyzmet_unexpected_errors_total[1h]))",
        ),
        Panel(
            "Producers thrown away", "sum by (job) (increase(qyzmet_producer_restarts_total[1h]))"
        ),
        Panel(
            "Facts of who did not hold the case",
            "sum by (job) (increase(qyzmet_illegal_facts_total[1h]))",
        ),
    ),
    "Processes": (
        Panel("Processes up", "sum by (job) (up)"),
        Panel("Memory", "process_resident_memory_bytes", "bytes", "{{job}} {{instance}}"),
        Panel(
            "Processor",
            "rate(process_cpu_seconds_total[5m])",
            "percentunit",
            "{{job}} {{instance}}",
        ),
    ),
}


def queries() -> list[tuple[str, str]]:
    """Every panel's title and query."""
    return [(panel.title, panel.query) for panels in ROWS.values() for panel in panels]


def dashboard() -> dict[str, Any]:
    """As Grafana imports it: a row of panels for each heading."""
    panels: list[dict[str, Any]] = []
    top = 0
    for heading, members in ROWS.items():
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        panels.append(
            {"type": "row", "title": heading, "id": len(panels) + 1, "gridPos": place, "panels": []}
        )
        top += 1
        for nth, panel in enumerate(members):
            place = {
                "h": HEIGHT,
                "w": WIDTH // ROW,
                "x": nth % ROW * (WIDTH // ROW),
                "y": top + nth // ROW * HEIGHT,
            }
            panels.append(_panel(panel, len(panels) + 1, place))
        top += -(-len(members) // ROW) * HEIGHT
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    return {
        "title": "Qyzmet",
        "uid": "qyzmet",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    target = {"refId": "A", "expr": panel.query, "legendFormat": panel.legend}
    return {
        "type": "timeseries",
        "title": panel.title,
        "id": number,
        "gridPos": place,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [target],
    }
