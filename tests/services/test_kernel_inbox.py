"""Reading the log into a stage (D4-D7): whatever a record is, the batch goes on."""

from shared.identifiers import Source, Step
from tests.facts import CaseFacts
from tests.stages import Running, Site, staff


async def routing_with_staff(site: Site) -> Running:
    await site.tell(staff())
    routing = await site.start(Source.ROUTING)
    await routing.read()
    return routing


def case_by_rule() -> CaseFacts:
    """A case that routing assigns by itself as soon as it reads of it."""
    return CaseFacts(by_rule=(Step.ASSIGN,))


async def test_a_fact_that_calls_for_a_command_is_answered_once(site: Site) -> None:
    routing = await routing_with_staff(site)
    case = case_by_rule()
    case.lodged()
    case.registered()
    await site.tell(case.written)
    assert await routing.read() == 2
    assert await routing.events(case.case_id) == ["executor-assigned"]
    await site.tell(case.written)
    assert await routing.read() == 2
    assert await routing.events(case.case_id) == ["executor-assigned"]
