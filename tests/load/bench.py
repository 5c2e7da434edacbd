"""`make bench`: the system against the bare relays below it, on this machine, in one run.

Ends with 0 when the floor is reached, with 3 when it is missed, with 1 when a run was unsound.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.ports import DISTANCES, free_ports, is_free
from deploy.local.progress import alarm, say, step
from deploy.local.settings import LocalSettings
from deploy.local.system import LocalSystem, remove
from shared.messaging.topics import CASE_EVENTS
from tests.load import department, relays, samples
from tests.load.applications import batches
from tests.load.companions import Silent
from tests.load.measured import Measured
from tests.load.phase import Unsound
from tests.load.reader import Stalled, reading
from tests.load.report import FLOOR, Report, machine, printed, versions
from tests.load.straight import ENDING, PARTITIONS, Load, straight_through
from tests.load.usage import load_average

PHASES = ("durable", "ours", "raw")
READY_WITHIN_S = 120.0
FLOOR_MISSED = 3

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Choice:
    """What the user chose."""

    cases: int
    repeat: int
    batch: int
    connections: int
    warm: int


class Bench:
    """One system, and the phases on it, one at a time."""

    def __init__(self, system: LocalSystem, choice: Choice) -> None:
        self._system = system
        self._choice = choice
        self._people = 0
        self._up = True
        self.found: dict[str, list[Measured]] = {phase: [] for phase in PHASES}

    def run(self) -> None:
        """Warm up, then every phase so often, in an order that changes.

        Raises Unsound, Stalled, Silent, TimeoutError.
        """
        with step("people, first cases, warm-up"):
            self._department()
            ground = self._ground()
        for turn in range(self._choice.repeat):
            place = turn % len(PHASES)
            for phase in (*PHASES[place:], *PHASES[:place]):
                with step(f"{phase}, {turn + 1} of {self._choice.repeat}"):
                    self.found[phase].append(self._measure(phase, ground))
                say(f"      {self.found[phase][-1].rate:.0f} cases/s")

    def _department(self) -> None:
        environment = self._system.environment
        department.set_up(environment.url("routing"), environment.url("issuer"))
        token = department.specialist_token(environment.url("issuer"))
        body = batches(self._numbers(1), 1, 1)[0]

        async def first_case() -> None:
            async with reading(environment.kafka, CASE_EVENTS, PARTITIONS, ENDING) as reader:
                intake = environment.url("intake")
                case = await asyncio.to_thread(department.wait_known, intake, token, body)
                await reader.until(lambda seen: case in seen.endings, READY_WITHIN_S)

        asyncio.run(first_case())

    def _ground(self) -> relays.Ground:
        """Real cases, and what the relays need."""

        async def prepared() -> relays.Ground:
            _, cases = await straight_through(self._system, self._load(self._choice.warm))
            environment = self._system.environment
            async with reading(environment.kafka, CASE_EVENTS, PARTITIONS, ENDING) as reader:
                ends = await reader.ends()
            taken = await samples.take(environment.kafka, CASE_EVENTS, set(cases), ends)
            return await relays.prepare(self._system, taken)

        return asyncio.run(prepared())

    def _measure(self, phase: str, ground: relays.Ground) -> Measured:
        self._services(wanted=phase == "ours")
        cases, warm = self._choice.cases, self._choice.warm
        if phase == "ours":
            asyncio.run(straight_through(self._system, self._load(warm)))
            measured, _ = asyncio.run(straight_through(self._system, self._load(cases)))
            return measured
        first = self._numbers(cases + warm)
        durable = phase == "durable"
        return asyncio.run(
            relays.relayed(self._system, ground, first, cases, durable=durable, warm=warm)
        )

    def _services(self, *, wanted: bool) -> None:
        """The services run only while it is their turn."""
        services = self._system.services.values()
        if wanted and not self._up:
            for service in services:
                service.start()
            for service in services:
                service.wait_ready(READY_WITHIN_S)
        if self._up and not wanted:
            with ThreadPoolExecutor(len(services)) as pool:
                list(pool.map(lambda service: service.stop(), services))
        self._up = wanted

    def _load(self, cases: int) -> Load:
        return Load(self._numbers(cases), cases, self._choice.batch, self._choice.connections)

    def _numbers(self, count: int) -> int:
        """So many people who have not applied yet: the number of the first."""
        first = self._people
        self._people += count
        return first


@app.command()
def main(
    cases: Annotated[int, typer.Option(min=10, help="cases a phase")] = 20_000,
    repeat: Annotated[int, typer.Option(min=1, help="runs of each phase")] = 3,
    batch: Annotated[int, typer.Option(min=1, max=500, help="applications a request")] = 500,
    connections: Annotated[int, typer.Option(min=1, max=32)] = 4,
    warm: Annotated[int, typer.Option(min=10, help="cases before each measurement")] = 1_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the numbers")] = None,
) -> None:
    """Measure cases per second and what a case costs, beside the relays that do nothing else."""
    choice = Choice(cases, repeat, batch, connections, warm)
    before = load_average()
    try:
        with fresh_system() as system:
            bench = Bench(system, choice)
            bench.run()
            report = Report(choice.__dict__, machine(before), versions(system), bench.found)
    except (Unsound, Stalled, Silent, TimeoutError) as fault:
        alarm(f"no measurement: {type(fault).__name__}: {fault}")
        raise typer.Exit(1) from None
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
    printed(report)
    raise typer.Exit(0 if report.efficiency >= FLOOR else FLOOR_MISSED)


@contextmanager
def fresh_system() -> Iterator[LocalSystem]:
    """The whole system in a new folder on free ports; all of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-bench-"))
    folder.chmod(0o711)  # Postgres's own account walks through it
    automation = json.dumps(department.AUTOMATION)
    settings = LocalSettings(folder=folder, port_base=_free_base(), automation=automation)
    try:
        with LocalSystem(settings) as system:
            yield system
    finally:
        remove(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _free_base() -> int:
    while True:
        base = free_ports(1)[0]
        if all(is_free(base + distance) for distance in DISTANCES.values()):
            return base


if __name__ == "__main__":
    app()
