"""Lists of cases: those that fit all that is asked for, in one of two orders. Asked of `status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.casebook.conditions import Conditions
from services.casebook.paging import Order, Page, Row
from shared.postgres.pool import Connection

NEWEST: Final = Order("newest", {"lodged_at": datetime, "case_id": UUID})
MOST_URGENT: Final = Order("due", {"due_at": datetime, "case_id": UUID})
"""Of open cases: those that are late come first."""

_LIST: Final = {
    NEWEST.name: (
        "(lodged_at, case_id) < ({}, {})",
        """
SELECT * FROM status WHERE {where} ORDER BY lodged_at DESC, case_id DESC LIMIT {limit}
""",
    ),
    MOST_URGENT.name: (
        "(due_at, case_id) > ({}, {})",
        """
SELECT * FROM status WHERE {where} ORDER BY due_at, case_id LIMIT {limit}
""",
    ),
}
_OVER: Final = frozenset({"issued", "withdrawn", "rejected"})


@dataclass(frozen=True, slots=True)
class Sought:
    """Which cases are asked for: all that is given must fit."""

    offices: Sequence[str] = ()
    """Of each of them: of two different ones there is no case."""
    number: str | None = None
    """A registration number, or a result's, which begins with it."""
    applicant: UUID | None = None
    case_ids: Sequence[UUID] | None = None
    """Only some of these: a name was asked for."""
    state: str | None = None
    """One of the states, or `open`, or `over`."""
    stage: str | None = None
    """The stage that holds it now."""
    procedure: str | None = None
    executor: str | None = None
    is_late: bool = False
    lodged_from: datetime | None = None
    lodged_before: datetime | None = None


def conditions_of(sought: Sought, order: Order) -> Conditions:
    """The same in SQL. What concerns open cases only says so: an index holds just those."""
    wanted = Conditions()
    for office in dict.fromkeys(sought.offices):
        wanted.must("office = {}", office)
    if sought.number is not None:
        registration, slash, _ = sought.number.partition("/")
        wanted.must("registration_number = {}", registration)
        wanted.may("result_number = {}", sought.number if slash else None)
    wanted.may("applicant = {}", sought.applicant)
    wanted.may("case_id = ANY ({}::uuid[])", sought.case_ids)
    _must_stand(wanted, sought, order)
    wanted.may("procedure = {}", sought.procedure)
    wanted.may("executor = {}", sought.executor)
    wanted.may("lodged_at >= {}", sought.lodged_from)
    wanted.may("lodged_at < {}", sought.lodged_before)
    return wanted


def _must_stand(wanted: Conditions, sought: Sought, order: Order) -> None:
    state = sought.state
    if state == "over" or state in _OVER:
        wanted.must("ended_at IS NOT NULL")
    elif state is not None or sought.stage is not None:
        wanted.must("ended_at IS NULL")
    if sought.is_late:
        wanted.must("ended_at IS NULL AND (overdue OR due_at < now())")
    if order is MOST_URGENT:
        wanted.must("ended_at IS NULL")
    if state not in (None, "open", "over"):
        wanted.must("state = {}", state)
    wanted.may("stage = {}", sought.stage)


def fits(sought: Sought, row: Row) -> bool:
    """The same of a row that lies in no table. What is late is asked of now only."""
    number, slash, _ = (sought.number or "").partition("/")
    begins, ends = sought.lodged_from, sought.lodged_before
    return (
        all(row["office"] == office for office in sought.offices)
        and number in ("", row["registration_number"])
        and (not slash or row["result_number"] == sought.number)
        and (sought.case_ids is None or row["case_id"] in sought.case_ids)
        and _stood(sought, row)
        and all(
            wanted in (None, row[name])
            for name, wanted in (
                ("applicant", sought.applicant),
                ("procedure", sought.procedure),
                ("executor", sought.executor),
                ("stage", sought.stage),
            )
        )
        and (begins is None or row["lodged_at"] >= begins)
        and (ends is None or row["lodged_at"] < ends)
    )


def _stood(sought: Sought, row: Row) -> bool:
    state, is_over = sought.state, row["ended_at"] is not None
    if state == "over" or state in _OVER:
        held = is_over
    else:
        held = not is_over or (state is None and sought.stage is None)
    return held and state in (None, "open", "over", row["state"])


async def listed(
    connection: Connection, wanted: Conditions, order: Order, page: Page
) -> tuple[Sequence[asyncpg.Record], str | None]:
    """A page of the cases that fulfil some conditions."""
    behind, statement = _LIST[order.name]
    place = order.place(page)
    if place is not None:
        wanted.must(behind, *place)
    limit = wanted.parameter(page.most)
    rows = await connection.fetch(statement.format(where=wanted.where, limit=limit), *wanted.values)
    return order.cut(rows, page)
