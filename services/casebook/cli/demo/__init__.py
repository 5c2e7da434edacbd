"""`qyzmet demo`: every kind of case, worked on by staff of each role over HTTP, told as it happens.

It can be run again on the same data: each run has new people, made from its seed.
"""

import secrets
from typing import Annotated, Final

import typer

from services.casebook.cli.demo import people
from services.casebook.cli.demo.acts import Play
from services.casebook.cli.demo.directory import record_staff
from services.casebook.cli.demo.stories import STORIES, Ending, Story
from services.casebook.cli.demo.telling import Result, Telling
from services.casebook.cli.exits import Failure, Status
from services.casebook.cli.run import run_of
from services.casebook.cli.service import Services

_SEEDS: Final = 2**31

app = typer.Typer()

Seed = Annotated[int | None, typer.Option(min=0, max=_SEEDS, help="other seed, other people")]
OnlyStaff = Annotated[bool, typer.Option(help="record the demo's staff and stop")]


@app.command()
def demo(context: typer.Context, seed: Seed = None, only_staff: OnlyStaff = False) -> None:
    """Take synthetic applications of all three regulations through every variant of a case.

    Exit 1 when anything ends otherwise than expected.
    """
    run = run_of(context)
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    telling = Telling(run)
    with run.services() as services:
        recorded = record_staff(services, run.screen)
        if only_staff:
            run.screen.say(f"{recorded} entries were made in the staff directory")
            return
        run.screen.say(f"seed {chosen}; all people are made up")
        results = _all(services, telling, chosen, staff_is_new=recorded > 0)
    telling.end(results)
    wrong = [result for result in results if not result.ok]
    run.screen.say(f"{len(results) - len(wrong)} of {len(results)} as expected")
    if wrong:
        raise typer.Exit(Status.FAILED)


def _all(services: Services, telling: Telling, seed: int, *, staff_is_new: bool) -> list[Result]:
    applicants = people.applicants(seed, len(STORIES))
    results = []
    for number, (story, applicant) in enumerate(zip(STORIES, applicants, strict=True), start=1):
        play = Play(
            services=services,
            teller=telling,
            key=f"demo-{seed}-{number}",
            applicant=applicant,
            executor=people.EXECUTORS[number % len(people.EXECUTORS)],
            staff_is_new=staff_is_new,
        )
        if story.office == people.NORTH:
            play.specialist, play.executor = people.NORTH_SPECIALIST, people.NORTH_EXECUTOR
        elif story.office == people.AUTO:
            play.specialist = people.AUTO_SPECIALIST
        telling.begin(number, story)
        results.append(_one(play, telling, number, story))
    return results


def _one(play: Play, telling: Telling, number: int, story: Story) -> Result:
    why: str | None = None
    try:
        story.play(play)
    except Failure as failure:
        why = str(failure)
        telling.differs(why)
    found = play.standing() if play.case_id else {}
    why = why or _difference(found, story.ending)
    return Result(
        number=number,
        story=story.title,
        procedure=story.procedure,
        office=story.office,
        case=play.case_id or None,
        registration_number=found.get("registration_number"),
        result_kind=found.get("result_kind"),
        state=found.get("state"),
        outcome=found.get("outcome"),
        result_number=found.get("result_number"),
        ok=why is None,
        why=why,
    )


def _difference(found: dict[str, object], ending: Ending) -> str | None:
    """What is not as the story says; None when all is."""
    if found.get("state") != ending.state:
        return f"expected {ending.state or 'no case'}, found {found.get('state') or 'no case'}"
    if ending.outcome != found.get("outcome"):
        return f"expected {ending.outcome}, found {found.get('outcome')}"
    if ending.result_kind not in (None, found.get("result_kind")):
        return f"expected {ending.result_kind}, found {found.get('result_kind')}"
    has_number = found.get("result_number") is not None
    if has_number != (ending.state == "issued"):
        return f"{'a' if has_number else 'no'} result number"
    return None
