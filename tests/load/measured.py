"""What one run of a phase found, and how several runs are put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass(frozen=True)
class Measured:
    """One run: the system's own, or one of the bare relays. CPU in milliseconds a case."""

    phase: str
    cases: int
    seconds: float
    cpu_ms: Mapping[str, float]
    """By process, with its children. `driver` and `reader` belong to the benchmark."""
    others_cpu_s: float
    """What the machine spent meanwhile on programs that are none of this."""
    latency_ms: Sequence[float]
    """From the first event of a case to its last, by the log's own times; sorted."""
    reached_ms: Mapping[str, float]
    """Per event type the median time since the case's first event."""
    records: int
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Cases that ended, a second."""
        return self.cases / self.seconds

    @property
    def cpu_ms_total(self) -> float:
        """All but the benchmark's own processes."""
        return sum(ms for name, ms in self.cpu_ms.items() if name not in OWN)


OWN = ("driver", "reader")
"""The benchmark's own processes."""


def percentile(values: Sequence[float], percent: int) -> float:
    """By interpolation, of sorted or unsorted values; 0 of none."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Name by name; a name that a run lacks is left out there."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: median([run[name] for run in runs if name in run]) for name in names}


def ratio(mine: Sequence[Measured], other: Sequence[Measured]) -> float:
    """The median of my rate through the other's, each pair from the same repetition."""
    return median(a.rate / b.rate for a, b in zip(mine, other, strict=True))


def times(logged_ms: Mapping[str, Mapping[str, int]]) -> tuple[list[float], dict[str, float]]:
    """Per case first to last, sorted; per type the median distance from the case's first."""
    whole: list[float] = []
    reached: dict[str, list[float]] = {}
    for by_type in logged_ms.values():
        first = min(by_type.values())
        whole.append(float(max(by_type.values()) - first))
        for type_, at in by_type.items():
            reached.setdefault(type_, []).append(float(at - first))
    middle = {type_: median(found) for type_, found in reached.items()}
    return sorted(whole), dict(sorted(middle.items(), key=lambda item: item[1]))
