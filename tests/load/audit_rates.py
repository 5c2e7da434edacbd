"""How fast an audit goes through a long log, and how much memory it takes: verify and replay.

The log is in a real broker: copies of cases that the real rules have told, so that a replay decides
every fact again and finds it the same. One process, one core; processor time, without the broker's.

    python -m tests.load.audit_rates --events 1000000
"""

import argparse
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import psutil
import uvloop

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_ports
from services.casebook.auditing import Report, gathered, judged
from services.casebook.case_order import CaseOrder
from services.casebook.cli.ledger import Scanned
from services.casebook.cli.screen import Screen
from services.casebook.evidence import Damage, LogRecord
from services.casebook.grounds import Calendars, Grounds, People
from services.casebook.reached import Reached
from services.casebook.replaying import Totals, file_of, replayed
from services.program import RULE_BOOK
from shared.events.intake import ApplicationLodged, ApplicationRegistered
from shared.garbage import collect_rarely
from shared.messaging.log import open_log
from shared.messaging.topics import CASE_EVENTS, TOPICS, create_topics
from tests.facts import publish
from tests.load import synthetic
from tests.ruled import PROCEDURES, RuledCase, RuledDepartment

_FLOOR: Final = 30_000
"""Events a second of one core that the log's own verification has to reach."""


def patterns(department: RuledDepartment) -> list[synthetic.Pattern]:
    """Cases of some kinds, told by the rules."""
    found = []
    for walk in ("straight", "straight", "by rule", "returned"):
        case = RuledCase(department.directory, procedure="home-education")
        match walk:
            case "straight":
                case.straight_through()
            case "by rule":
                case.straight_by_rule()
            case _:
                for step in (
                    case.lodged, case.registered, case.assigned, case.drafted, case.returned,
                    case.drafted, case.signed, case.issued,
                ):  # fmt: skip
                    step()
        lodged, registered = (fact.event for fact in case.facts[:2])
        assert isinstance(lodged, ApplicationLodged)
        assert isinstance(registered, ApplicationRegistered)
        names = (str(case.case_id), str(lodged.applicant), registered.registration_number)
        found.append(synthetic.pattern_of(case.written, *names))
    return found


class Watch:
    """Processor time and memory between two moments; the memory also on the way."""

    def __init__(self) -> None:
        self._cpu, self._began = time.process_time(), time.perf_counter()
        self._memory: list[int] = []

    def look(self) -> None:
        """Note how much memory there is now."""
        self._memory.append(psutil.Process().memory_info().rss // 2**20)

    def values(self, events: int) -> dict[str, object]:
        """What it came to."""
        cpu_s = time.process_time() - self._cpu
        tenth = max(1, len(self._memory) // 10)
        return {
            "events": events,
            "events_per_s_of_a_core": round(events / cpu_s),
            "cpu_s": round(cpu_s, 1),
            "wall_s": round(time.perf_counter() - self._began, 1),
            "memory_mb": self._memory[::tenth],
        }


async def taken_in(bootstrap: str, order: CaseOrder, report: Report, watch: Watch) -> None:
    """The whole log, as `audit verify` and `replay` take it in."""
    async with open_log(bootstrap, [topic.name for topic in TOPICS]) as log:
        with Screen(quiet=True).progress("log", None) as meter:

            async def batches() -> AsyncIterator[list[LogRecord] | Damage]:
                async for batch in Scanned(log, meter).batches():
                    watch.look()
                    yield batch

            await gathered(batches(), order, Reached(), report)


async def verify(bootstrap: str) -> dict[str, object]:
    """The part of `audit verify` that looks at the log."""
    watch, report = Watch(), Report()
    with CaseOrder() as order:
        await taken_in(bootstrap, order, report, watch)
        for number, (_, records) in enumerate(order.cases()):
            judged(records, report)
            if number % 1000 == 0:
                watch.look()
    assert not report.findings.kept, report.findings.kept[:3]
    return watch.values(report.records)


async def replay(bootstrap: str, department: RuledDepartment) -> dict[str, object]:
    """Every fact decided again."""
    watch, totals = Watch(), Totals()
    people = People(department.facts)
    grounds = Grounds(RULE_BOOK, PROCEDURES, people, Calendars().named)
    with CaseOrder() as order:
        await taken_in(bootstrap, order, Report(), watch)
        for number, (case_id, records) in enumerate(order.cases()):
            for each in replayed(file_of(case_id, records), grounds, totals):
                assert each.held
            if number % 1000 == 0:
                watch.look()
    return {**watch.values(totals.facts), "verdicts": dict(totals.verdicts)}


async def main() -> None:
    """Write a log, go through it twice, say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--only-verify", action="store_true")
    given = parser.parse_args()
    collect_rarely()
    port, controller_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="qyzmet-rates-") as folder:
        broker = LocalBroker(Path(folder) / "kafka", port, controller_port)
        broker.start()
        broker.wait_ready()
        try:
            await create_topics(broker.bootstrap)
            department = RuledDepartment()
            await publish(broker.bootstrap, department.written)
            copies = synthetic.records(given.events, told=patterns(department))
            events = synthetic.write(broker.bootstrap, copies)
            print(json.dumps({"written": events, "topic": CASE_EVENTS}))  # noqa: T201
            found = {"verify": await verify(broker.bootstrap)}
            print(json.dumps(found))  # noqa: T201
            if not given.only_verify:
                again = await replay(broker.bootstrap, department)
                print(json.dumps({"replay": again}))  # noqa: T201
            rate = found["verify"]["events_per_s_of_a_core"]
            assert isinstance(rate, int)
            print("floor reached" if rate >= _FLOOR else f"below {_FLOOR}")  # noqa: T201
        finally:
            broker.stop()


if __name__ == "__main__":
    uvloop.run(main())
