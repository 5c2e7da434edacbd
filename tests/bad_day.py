"""A day on which everything happens that a fold has to get right, told through a real log."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from shared.identifiers import Role, Source, Step
from tests.facts import START, CaseFacts, DepartmentFacts, Written

Tell = Callable[..., Awaitable[list[tuple[int, int]]]]
"""Publishes records, waits until they are folded, and says where they stand."""
UNKNOWN = b"qyzmet.intake.something-new.v9"


async def a_bad_day(tell: Tell) -> list[CaseFacts]:
    """Straight, returned, withdrawn, erased, late, doubled, parked, retried and skipped cases."""
    staff = DepartmentFacts()
    staff.member("bolat", Role.RESPONSIBLE_EXECUTOR)
    staff.away("bolat", START.date(), START.date())
    staff.acting("aigul", START.date(), START.date())
    await tell(*staff.written)
    cases = [*await _plain(tell), *await _out_of_order(tell), *await _parked(tell)]
    return [*cases, await _skipped_gap(tell)]


async def _plain(tell: Tell) -> list[CaseFacts]:
    straight, returned, withdrawn, erased, overdue = (CaseFacts() for _ in range(5))
    straight.straight_through()
    returned.lodged(), returned.registered(), returned.assigned(), returned.drafted()
    returned.returned(), returned.drafted(), returned.signed(), returned.issued()
    returned.notice_sent()
    withdrawn.lodged(), withdrawn.registered()
    withdrawn.withdrawn(Source.ROUTING, withdrawn.withdrawal_requested().event_id)
    erased.straight_through()
    erased.erased()
    overdue.lodged(), overdue.registered(), overdue.overdue(Source.ROUTING, Step.ASSIGN)
    overdue.assigned(), overdue.reassigned("dana"), overdue.paper_requested()
    cases = [straight, returned, withdrawn, erased, overdue]
    for place in range(max(len(case.written) for case in cases)):
        await tell(*(case.written[place] for case in cases if place < len(case.written)))
    await tell(*straight.written, *erased.written)
    return cases


async def _out_of_order(tell: Tell) -> list[CaseFacts]:
    """A gap that heals, one that does not, and facts of different sources in any order."""
    healed, gaping, backwards = CaseFacts(), CaseFacts(), CaseFacts()
    for case in (healed, gaping, backwards):
        case.straight_through()
    await tell(*(healed.written[place] for place in (1, 2, 3)))
    await tell(healed.written[0])
    await tell(*healed.written[4:])
    await tell(*gaping.written[1:4])
    await tell(*(backwards.written[place] for place in (5, 4, 3, 2, 0, 1)))
    return [healed, gaping, backwards]


async def _parked(tell: Tell) -> list[CaseFacts]:
    """Parked for good; retried in vain and then skipped; skipped at once and erased."""
    lost, resolved, erased = CaseFacts(), CaseFacts(), CaseFacts()
    for case in (lost, resolved, erased):
        case.lodged()
    spoilt = [_spoilt(lost), _spoilt(resolved), _contradiction(erased)]
    at = await tell(lost.written[0], resolved.written[0], erased.written[0], *spoilt)
    for case in (lost, resolved, erased):
        await tell(case.registered(), case.assigned())
    await tell(resolved.resolved(Source.ROUTING, at[4], "retried"))
    await tell(resolved.drafted())
    await tell(resolved.resolved(Source.ROUTING, at[4], "skipped"))
    await tell(resolved.signed(), spoilt[1])
    await tell(erased.erased())
    await tell(erased.resolved(Source.EXECUTOR, at[5], "skipped", spoilt[2].event_id))
    await tell(erased.drafted())
    await tell(replace(CaseFacts().lodged(), key=b"nobody's"))
    return [lost, resolved, erased]


async def _skipped_gap(tell: Tell) -> CaseFacts:
    case = CaseFacts()
    case.lodged()
    case.withdrawal_requested()
    late = case.registered()
    at = await tell(case.written[0], late)
    await tell(case.resolved(Source.ROUTING, at[1], "skipped", late.event_id))
    await tell(case.overdue(Source.INTAKE, Step.REGISTER))
    return case


def _spoilt(case: CaseFacts) -> Written:
    return case.withdrawal_requested().but(type=UNKNOWN)


def _contradiction(case: CaseFacts) -> Written:
    return CaseFacts(case_id=case.case_id, key=case.key).lodged()
