"""What signing decides: a notification is signed, or goes back with a remark."""

from typing import assert_never

from services.signing.commands import (
    ReturnNotification,
    SignByRule,
    SigningCommand,
    SignNotification,
)
from services.signing.state import SOURCE, Draft, SigningCase
from shared.decider import Known
from shared.errors import Because, Refused
from shared.events.event import Event, Remark
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.holding import (
    MarkOverdue,
    ResolveParked,
    WithdrawCase,
    decide_as_holder,
    given,
    held_here,
    known_here,
    only,
    only_by_rule,
    regulation,
)
from shared.identifiers import Step


def decide(command: SigningCommand, case: SigningCase, known: Known) -> list[Event]:
    """One function for each command."""
    match command:
        case SignNotification():
            return sign_notification(command, case, known)
        case ReturnNotification():
            return return_notification(command, case, known)
        case SignByRule():
            return sign_by_rule(command, case, known)
        case WithdrawCase() | MarkOverdue() | ResolveParked():
            return decide_as_holder(command, case, SOURCE, known)
        case _:
            assert_never(command)


def sign_notification(command: SignNotification, case: SigningCase, known: Known) -> list[Event]:
    """Who the regulation names signs what was shown: not their own draft, not another text."""
    draft = _draft_before_signer(command.actor, case, known)
    if command.digest != draft.digest:
        raise Refused(
            "what is signed is what was drawn up",
            expected=f"the digest {draft.digest}",
            found=f"the digest {command.digest}",
            because=Because.STATE,
            field="digest",
        )
    return [
        NotificationSigned(
            digest=draft.digest,
            signed_at=known.now,
            certificate=command.certificate,
            evidence=command.evidence,
            due=known.due(case.course, Step.ISSUE),
        )
    ]


def return_notification(
    command: ReturnNotification, case: SigningCase, known: Known
) -> list[Event]:
    """Whoever would sign may give the draft back with a remark; the executor's term stands."""
    draft = _draft_before_signer(command.actor, case, known)
    remark = given(command.remark, "a draft goes back with a remark", "remark")
    return [
        NotificationReturned(
            digest=draft.digest,
            returned_at=known.now,
            due=case.first_drafting_due,
            private=Remark(text=remark),
        )
    ]


def sign_by_rule(command: SignByRule, case: SigningCase, known: Known) -> list[Event]:
    """The department's seal on what was drawn up, where the case was lodged so."""
    lodged = held_here(case.course, SOURCE)
    clause = regulation(known, lodged).step(Step.SIGN).clause
    only_by_rule(case.course, command.actor, Step.SIGN, clause)
    due = known.due(case.course, Step.ISSUE)
    return [NotificationSigned(digest=case.draft.digest, signed_at=known.now, due=due)]


def _draft_before_signer(actor: str, case: SigningCase, known: Known) -> Draft:
    """The draft that waits, if `actor` is who signs by the regulation and has no part in it."""
    lodged = known_here(case.course)
    step = regulation(known, lodged).step(Step.SIGN)
    staff = only(known, actor, step.actor, lodged.office, step.clause)
    held_here(case.course, SOURCE)
    if actor == case.draft.drawn_up_by or staff == case.responsible.staff:
        raise Refused(
            "nobody signs what they drew up",
            expected="a signer who is not the executor of the case",
            found=actor,
            because=Because.ACTOR,
            clause=step.clause,
        )
    return case.draft
