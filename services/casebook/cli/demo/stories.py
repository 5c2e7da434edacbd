"""The demo's cases: what happens in each, and how it has to end."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from services.casebook.cli.demo import people
from services.casebook.cli.demo.acts import PAPERS, Play

ONE_OPEN: Final = "one open application of a person for a service"
HAS_REGULATION: Final = "a service is asked for that has a regulation"
ONLY_HEAD: Final = "only the head of the office does this"
INCOMPLETE: Final = "incomplete-package-not-accepted"
R2, R3, R4 = "prosthetic-aid", "home-education", "employment-referral"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a case has to end. No state: it must not become a case at all."""

    state: str | None
    outcome: str | None = None
    result_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One case of the demo."""

    title: str
    procedure: str
    play: Callable[[Play], None]
    ending: Ending
    office: str = people.MAIN


def granted(play: Play, procedure: str, kind: str, way: str) -> None:
    """The whole way through, by people."""
    play.lodge(procedure, result_kind=kind, notice="sms" if way == "personal-account" else None)
    play.register()
    play.assign("Please examine the papers")
    play.draft("The result asked for is granted.")
    play.sign(_signer(procedure))
    play.issue(way)
    if way == "personal-account":
        play.follow_fact("notice-sent")


def refused(play: Play) -> None:
    """A refusal on a ground of the law on state services is a result like any other."""
    play.lodge(R3)
    play.register()
    play.assign()
    play.draft("The requirements are not met.", ground="requirements-not-met")
    play.sign()
    play.issue("desk")


def returned(play: Play) -> None:
    """The management gives the draft back; the executor draws it up again."""
    play.lodge(R2)
    play.register()
    play.assign()
    play.draft("The documents are registered.")
    play.give_back("The number of the programme is missing.", people.MANAGEMENT)
    play.draft("The documents are registered. Programme No. 7.")
    play.sign(people.MANAGEMENT)
    play.issue("desk")


def reassigned(play: Play) -> None:
    """The head gives the case to another executor, with a reason."""
    play.lodge(R3)
    play.register()
    play.assign()
    play.reassign(people.EXECUTORS[1], "On sick leave from tomorrow.")
    play.draft("The benefit is assigned.")
    play.sign()
    play.issue("state-corporation")


def papers_asked_for(play: Play) -> None:
    """A paper is missing: the executor asks for it, cannot grant without it, and gets it."""
    missing = "school-certificate"
    play.lodge(R3, papers=[kind for kind in PAPERS[R3] if kind != missing])
    play.register()
    play.assign()
    play.ask_for_papers(missing)
    early = partial(play.draft, "The benefit is assigned.")
    play.is_refused("a result is granted on complete papers", early, play.executor)
    play.add_paper(missing)
    early()
    play.sign()
    play.issue("personal-account")


def withdrawn_before_drafting(play: Play) -> None:
    """The executor holds the case: executor answers the wish."""
    play.lodge(R4, result_kind="public-works")
    play.register()
    play.assign()
    play.withdraw("Found work.")
    play.follow("withdrawn")


def withdrawn_after_drafting(play: Play) -> None:
    """The notification waits for its signature: signing answers the wish."""
    play.lodge(R3)
    play.register()
    play.assign()
    play.draft("The benefit is assigned.")
    play.withdraw("Moving to another city.")
    play.follow("withdrawn")


def rejected(play: Play) -> None:
    """An incomplete package is not accepted (LSS 20.2); no case is registered."""
    play.lodge(R3, papers=["application", "identity-document"])
    play.reject(INCOMPLETE)


def head_away(play: Play) -> None:
    """The head is away today: whoever acts for them decides, the head cannot."""
    play.lodge(R4, result_kind="employment")
    play.register()
    play.head = people.NORTH_HEAD
    play.is_refused(ONLY_HEAD, play.assign, people.NORTH_HEAD)
    play.head = people.NORTH_ACTING
    play.assign("I act for the head today")
    play.draft("A referral to a vacancy.")
    play.sign()
    play.issue("desk")


def second_application(play: Play) -> None:
    """While one is open, the same person has no second one for the same service."""
    play.lodge(R2)
    play.register()
    again = partial(play.lodge, R2)
    play.is_refused(ONE_OPEN, again, play.specialist)
    play.assign()
    play.draft("The documents are registered.")
    play.sign(people.MANAGEMENT)
    play.issue("desk")


def deleted(play: Play) -> None:
    """The resolution deleted its first regulation: there is nothing to apply for."""
    play.is_refused(
        HAS_REGULATION, partial(play.lodge, "unemployed-certificate", papers=()), play.specialist
    )


def straight_through(play: Play, procedure: str, kind: str) -> None:
    """Every step by rule, from event to event; nobody touches it."""
    play.lodge(procedure, result_kind=kind)
    play.follow("issued")


def paper_at_the_end(play: Play) -> None:
    """By rule up to the signature; the result is paper, so a person hands it out."""
    play.lodge(R2)
    play.follow("signed")
    play.issue("desk")


def _signer(procedure: str) -> people.Member | None:
    """The management signs for prosthetic aid (R2 5.4), the head elsewhere."""
    return people.MANAGEMENT if procedure == R2 else None


def _granted(procedure: str, kind: str, way: str) -> Story:
    play = partial(granted, procedure=procedure, kind=kind, way=way)
    return Story(f"granted, {way}", procedure, play, Ending("issued", "granted", kind))


_KINDS: Final = (
    "employment",
    "public-works",
    "vocational-training",
    "social-workplace",
    "youth-practice",
    "career-guidance",
)
_BENEFIT, _REGISTRATION = "assignment-of-benefit", "registration-of-documents"
_ISSUED: Final = Ending("issued", "granted")

STORIES: Final[tuple[Story, ...]] = (
    *(
        _granted(R4, kind, "desk" if place % 2 else "personal-account")
        for place, kind in enumerate(_KINDS)
    ),
    _granted(R2, _REGISTRATION, "desk"),
    _granted(R3, _BENEFIT, "personal-account"),
    Story("refused on a ground", R3, refused, Ending("issued", "refused", _BENEFIT)),
    Story("returned for correction", R2, returned, _ISSUED),
    Story("given to another executor", R3, reassigned, _ISSUED),
    Story("a paper asked for", R3, papers_asked_for, _ISSUED),
    Story("withdrawn before drafting", R4, withdrawn_before_drafting, Ending("withdrawn")),
    Story("withdrawn after drafting", R3, withdrawn_after_drafting, Ending("withdrawn", "granted")),
    Story("incomplete package", R3, rejected, Ending("rejected")),
    Story("the head is away", R4, head_away, _ISSUED, people.NORTH),
    Story("a second application", R2, second_application, _ISSUED),
    Story("a deleted regulation", "unemployed-certificate", deleted, Ending(None)),
    Story(
        "straight through by rule",
        R4,
        partial(straight_through, procedure=R4, kind="vocational-training"),
        Ending("issued", "granted", "vocational-training"),
        people.AUTO,
    ),
    Story(
        "straight through by rule",
        R3,
        partial(straight_through, procedure=R3, kind=_BENEFIT),
        Ending("issued", "granted", _BENEFIT),
        people.AUTO,
    ),
    Story("by rule up to the paper", R2, paper_at_the_end, _ISSUED, people.AUTO),
)
