"""`qyzmet events`: the log itself, record by record; sealed parts are never shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

import typer

from services.casebook.arrivals import LogRecord
from services.casebook.cli.cases import case_id_of
from services.casebook.cli.naming import moment_of
from services.casebook.cli.run import Run, run_of
from services.casebook.cli.screen import Form
from shared.messaging.log import Log, Place, open_log
from shared.messaging.records import Incoming, incoming
from shared.messaging.topics import TOPICS

app = typer.Typer(no_args_is_help=True, help="The log itself: list its records, or follow it.")

OfCase = Annotated[str | None, typer.Option("--case", metavar="ID|NUMBER", help="of one case")]
OfType = Annotated[str | None, typer.Option("--type", help="type, or a part of it")]
Since = Annotated[
    str | None, typer.Option(help="a moment (2026-11-20T09:00+05:00) or an age (30m, 2h, 7d)")
]

_NAMES: Final = tuple(topic.name for topic in TOPICS)
_WINDOW: Final = 200
_POLL_MS: Final = 500
_COLUMNS: Final = ("logged_at", "record", "event", "case_id", "sequence", "actor", "says")


@dataclass(frozen=True, slots=True)
class Logged:
    """A record with the time at which the broker took it."""

    record: Incoming
    at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are asked for."""

    case_id: UUID | None = None
    type_part: str = ""
    since: datetime | None = None

    def __call__(self, logged: Logged) -> bool:
        """Whether a record is one of them."""
        record = logged.record
        if self.case_id is not None and record.case_id != self.case_id:
            return False
        if self.since is not None and logged.at < self.since:
            return False
        type_ = record.fact.envelope.type if record.fact is not None else ""
        return self.type_part in type_


@app.command("list")
def list_(
    context: typer.Context,
    case: OfCase = None,
    type_: OfType = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 100,
) -> None:
    """The last records that fit, oldest first."""
    run = run_of(context)
    wanted = _wanted(run, case, type_, since)
    found = asyncio.run(_last(run.settings().bootstrap, wanted, limit))
    if run.screen.form is Form.TABLE:
        run.screen.rows([_for_people(logged) for logged in found], _COLUMNS, "no such record")
    else:
        run.screen.rows([values_of(logged) for logged in found], ())


@app.command()
def tail(
    context: typer.Context,
    case: OfCase = None,
    type_: OfType = None,
    since: Since = None,
    limit: Annotated[int | None, typer.Option(min=1, help="stop after so many")] = None,
) -> None:
    """Records as they come, until Ctrl-C. JSON comes as lines."""
    run = run_of(context)
    wanted = _wanted(run, case, type_, since)

    def show(logged: Logged) -> None:
        if run.screen.form is Form.TABLE:
            run.screen.plain(_line(run, logged))
        else:
            run.screen.line(values_of(logged))

    asyncio.run(_follow(run.settings().bootstrap, wanted, limit, show))


def values_of(logged: Logged) -> dict[str, object]:
    """A record as JSON: the envelope, and what it says without the sealed part."""
    record = logged.record
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    shown: dict[str, object] = {"logged_at": logged.at, **place, "case_id": str(record.case_id)}
    if record.fact is None:
        return {**shown, "fault": record.fault}
    return {**shown, **record.fact.envelope.attributes(), "data": _said(record.data)}


def _wanted(run: Run, case: str | None, type_: str | None, since: str | None) -> Wanted:
    case_id = None if case is None else UUID(case_id_of(run, case))
    return Wanted(case_id, type_ or "", None if since is None else moment_of(since))


async def _last(bootstrap: str, wanted: Wanted, limit: int) -> list[Logged]:
    """Look back in windows that double until enough is found or the log begins."""
    async with open_log(bootstrap, _NAMES) as log:
        ends, starts = await log.ends(), await log.starts()
        window = max(limit, _WINDOW)
        while True:
            begins = {at: max(starts[at], end - window) for at, end in ends.items()}
            log.seek(begins)
            found: list[Logged] = []
            oldest: dict[Place, datetime] = {}
            async for batch in log.read_to(ends):
                for logged in map(_logged, batch):
                    place = (logged.record.topic, logged.record.partition)
                    oldest.setdefault(place, logged.at)
                    if wanted(logged):
                        found.append(logged)
            # Before this moment the window does not show all partitions.
            cut = [at for place, at in oldest.items() if begins[place] > starts[place]]
            found.sort(key=_order)
            if not cut or (wanted.since is not None and max(cut) < wanted.since):
                return found[-limit:]
            if sum(logged.at >= max(cut) for logged in found) >= limit:
                return found[-limit:]
            window *= 4


async def _follow(
    bootstrap: str, wanted: Wanted, limit: int | None, show: Callable[[Logged], None]
) -> None:
    async with open_log(bootstrap, _NAMES) as log:
        ends = await log.ends()
        log.seek(dict.fromkeys(ends, 0) if wanted.since is not None else ends)
        shown = 0
        async for logged in _for_ever(log):
            if wanted(logged):
                show(logged)
                shown += 1
            if shown == limit:
                return


async def _for_ever(log: Log) -> AsyncIterator[Logged]:
    while True:
        for logged in sorted(map(_logged, await log.poll(_POLL_MS, _WINDOW)), key=_order):
            yield logged


def _logged(record: LogRecord) -> Logged:
    return Logged(incoming(record), datetime.fromtimestamp(record.timestamp / 1000, UTC))


def _order(logged: Logged) -> tuple[datetime, str, int, int]:
    record = logged.record
    return logged.at, record.topic, record.partition, record.offset


def _said(data: bytes) -> dict[str, object]:
    """The event without its private part: only whether there is one, and whether it is erased."""
    said: dict[str, object] = json.loads(data)
    private = said.pop("private", None)
    if private is not None:
        said["private"] = "erased" if private == "erased" else "sealed"
    return said


def _for_people(logged: Logged) -> dict[str, object]:
    record = logged.record
    values: dict[str, object] = {
        "logged_at": logged.at,
        "record": f"{record.partition}:{record.offset}",
        "case_id": record.case_id,
    }
    if record.fact is None:
        return {**values, "event": "not readable", "says": record.fault}
    envelope = record.fact.envelope
    said = _flat(_said(record.data).items())
    event = envelope.type.removeprefix("qyzmet.")
    return {
        **values, "event": event, "sequence": envelope.sequence, "actor": envelope.actor,
        "says": said,
    }  # fmt: skip


def _flat(items: Iterable[tuple[str, object]]) -> str:
    """What tells something in a line: neither digests nor the moments beside the log's own."""
    plain = (
        f"{name}={value}"
        for name, value in items
        if isinstance(value, str | int) and not name.endswith(("digest", "_at"))
    )
    return " ".join(plain)


def _line(run: Run, logged: Logged) -> str:
    values = _for_people(logged)
    return "  ".join(run.screen.text(values.get(column)).plain for column in _COLUMNS)
