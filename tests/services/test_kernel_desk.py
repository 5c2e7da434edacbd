"""Commands of people (D2, D15): one answer for one request, each on its own, nothing half done."""

import asyncio
from dataclasses import replace

import pytest

from services.intake.commands import AddPaper, RegisterApplication, RequestWithdrawal
from services.routing.commands import AssignExecutor
from shared.errors import Because, Refused
from shared.events.intake import Document
from shared.identifiers import CaseId, new_id
from shared.journal.desk import Answer
from tests.facts import CaseFacts
from tests.running import Running
from tests.stages import Site, keyed, people, rows_in
from tests.tables import tables_equal, tables_of

OTHER_KEY, OTHER_BODY = "b" * 64, "2" * 64
AIGUL = "staff:aigul"


@pytest.fixture
async def routing(routing: Running) -> Running:
    """It also sends what it tells."""
    routing.send()
    return routing


# ---- one request, one answer --------------------------------------------------------------------


async def test_the_same_key_ten_times_at_once_is_one_case_and_ten_equal_answers(
    site: Site, intake: Running
) -> None:
    person = people(1)[0]
    wishes = [keyed(await site.application(person)) for _ in range(10)]
    answers = await asyncio.gather(*(intake.desk.perform(wish) for wish in wishes))
    assert len({(answer.case_id, answer.sequence, answer.position) for answer in answers}) == 1
    assert answers[0].position is not None
    assert sorted(answer.repeated for answer in answers) == [False] + [True] * 9
    assert await rows_in(intake) == 1
    assert await rows_in(intake, "requests") == 1
    later = await intake.desk.perform(wishes[3])
    assert later == replace(answers[0], repeated=True, events=0)


async def test_another_body_under_the_same_key_is_refused(site: Site, intake: Running) -> None:
    await intake.desk.perform(keyed(await site.application(people(2)[0])))
    other = keyed(await site.application(people(2)[1]), body=OTHER_BODY)
    with pytest.raises(Refused, match="an idempotency key stands for one request") as refused:
        await intake.desk.perform(other)
    assert refused.value.because is Because.INPUT
    assert refused.value.field == "Idempotency-Key"
    assert await rows_in(intake) == 1


async def test_a_refused_request_may_come_again_and_succeed(site: Site, intake: Running) -> None:
    person = people(1)[0]
    with pytest.raises(Refused, match="only the office-specialist of the office does this"):
        await intake.desk.perform(keyed(await site.application(person, actor="staff:bolat")))
    assert await rows_in(intake, "requests") == 0
    done = await intake.desk.perform(keyed(await site.application(person), body=OTHER_BODY))
    assert not done.repeated


async def test_a_request_that_tells_two_events_is_repeated_as_one(
    site: Site, intake: Running
) -> None:
    wish = keyed(await site.application(people(1)[0], by_rule=("register",)))
    first = await intake.desk.perform(wish)
    assert first.events == 2
    again = await intake.desk.perform(wish)
    assert again == replace(first, repeated=True, events=0)
    assert await intake.events(first.case_id) == ["application-lodged", "application-registered"]


async def test_a_command_with_nothing_left_to_do_says_where_it_was_done(
    site: Site, intake: Running
) -> None:
    lodged = await intake.desk.perform(await site.application(people(1)[0]))
    register = RegisterApplication(case_id=lodged.case_id, actor=AIGUL)
    first = await intake.perform(register)
    second = await intake.perform(register)
    assert (first.events, second.events) == (1, 0)
    assert (second.sequence, second.position) == (2, first.position)
    assert second.position is not None


# ---- two at once --------------------------------------------------------------------------------


async def test_of_two_lodgings_of_one_person_exactly_one_wins(site: Site, intake: Running) -> None:
    person = people(1)[0]
    wishes = [await site.application(person) for _ in range(6)]
    answers = await asyncio.gather(
        *(intake.desk.perform(wish) for wish in wishes), return_exceptions=True
    )
    won = [answer for answer in answers if isinstance(answer, Answer)]
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert (len(won), len(refused)) == (1, 5)
    assert {each.rule for each in refused} == {"one open application of a person for a service"}
    assert {each.found for each in refused} == {f"case {won[0].case_id} is open"}
    assert await rows_in(intake) == 1
    await intake.perform(RequestWithdrawal(case_id=won[0].case_id, actor=AIGUL))
    assert (await intake.desk.perform(await site.application(person))).events == 1


async def test_of_two_heads_who_assign_at_once_one_is_told_who_was_first(
    site: Site, routing: Running
) -> None:
    for _ in range(3):
        case = CaseFacts()
        case.lodged()
        case.registered()
        await site.tell(case.written)
        await routing.read()
        chosen = {"bolat": "staff:head", "dana": "staff:deputy"}
        answers = await asyncio.gather(
            *(
                routing.perform(AssignExecutor(case_id=case.case_id, actor=head, executor=name))
                for name, head in chosen.items()
            ),
            return_exceptions=True,
        )
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        assert [each.rule for each in refused] == ["an executor is named once"]
        winner = next(
            name for name, each in zip(chosen, answers, strict=True) if each not in refused
        )
        assert refused[0].found == winner
        assert await routing.events(case.case_id) == ["executor-assigned"]


async def test_commands_on_one_case_take_their_places_in_turn(site: Site, intake: Running) -> None:
    lodged = await intake.desk.perform(await site.application(people(1)[0]))
    law = intake.stage.procedures.outside("home-education", "2016-08-25")
    kinds = sorted({document.kind.value for document in law.documents})[:6]
    papers = [Document(kind=kind, state="provided", content="b" * 64) for kind in kinds]
    answers = await asyncio.gather(
        *(
            intake.perform(AddPaper(case_id=lodged.case_id, actor=AIGUL, document=paper))
            for paper in papers
        )
    )
    assert sorted(answer.sequence for answer in answers) == list(range(2, 2 + len(papers)))
    rows = await intake.pool.fetch(
        "SELECT attributes::json->>'prevhash' AS before, hash FROM journal ORDER BY sequence"
    )
    assert [row["before"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]


# ---- many in one request ------------------------------------------------------------------------


async def test_a_batch_of_500_is_answered_one_by_one(site: Site, intake: Running) -> None:
    wishes = await site.applications(people(500))
    bad_actor = await site.application(people(1, 900)[0], actor="staff:nobody")
    unknown = await site.application(people(1, 901)[0], procedure="dog-licence")
    twice = await site.application(people(1)[0])
    lengthy = await site.application(
        people(1, 902)[0], form={str(n): "x" * 20_000 for n in range(60)}
    )
    wishes[100], wishes[200], wishes[300], wishes[400] = bad_actor, unknown, twice, lengthy
    answers = await intake.desk.perform_all(wishes)
    bad = {place: each for place, each in enumerate(answers) if isinstance(each, Refused)}
    assert sorted(bad) == [100, 200, 300, 400]
    assert bad[300].rule == "one open application of a person for a service"
    assert bad[400].rule == "personal data and free text fit into one block"
    done = [answer for answer in answers if isinstance(answer, Answer)]
    assert [each.case_id for each in done] == [
        wish.command.case_id for place, wish in enumerate(wishes) if place not in bad
    ]
    assert all(each.position is not None for each in done)
    assert await rows_in(intake) == 496


async def test_the_same_request_twice_in_one_batch_is_one_case(site: Site, intake: Running) -> None:
    one, two = people(2)
    first, again = keyed(await site.application(one)), keyed(await site.application(one))
    other = keyed(await site.application(two), body=OTHER_BODY)
    alone = keyed(await site.application(two), OTHER_KEY)
    answers = await intake.desk.perform_all([first, again, other, alone])
    assert isinstance(answers[0], Answer)
    assert answers[1] == replace(answers[0], repeated=True, events=0)
    assert isinstance(answers[2], Refused)
    assert answers[2].field == "Idempotency-Key"
    assert isinstance(answers[3], Answer)
    assert await rows_in(intake) == 2


async def test_a_refused_wish_claims_nothing_for_the_rest_of_the_batch(
    site: Site, intake: Running
) -> None:
    person = people(1)[0]
    bad = keyed(await site.application(person, actor="staff:nobody"))
    good = keyed(await site.application(person), body=OTHER_BODY)
    answers = await intake.desk.perform_all([bad, good])
    assert isinstance(answers[0], Refused)
    assert isinstance(answers[1], Answer)


# ---- what is refused ----------------------------------------------------------------------------


async def test_a_command_on_an_unknown_case_is_refused(intake: Running) -> None:
    before = await tables_of(intake.pool)
    with pytest.raises(Refused) as refused:
        await intake.perform(RegisterApplication(case_id=CaseId(new_id()), actor=AIGUL))
    assert refused.value.because is Because.UNKNOWN
    tables_equal(before, await tables_of(intake.pool))


async def test_a_case_that_was_set_aside_takes_no_commands(site: Site, routing: Running) -> None:
    case = CaseFacts()
    lodged, registered = case.lodged(), case.registered()
    await site.tell([lodged, registered.but(value=b"{}")])
    await routing.read()
    assign = AssignExecutor(case_id=case.case_id, actor="staff:head", executor="bolat")
    with pytest.raises(Refused, match="a case that was set aside takes no commands") as refused:
        await routing.perform(assign)
    assert "ApplicationRegistered" in refused.value.found
    assert await routing.events(case.case_id) == []
