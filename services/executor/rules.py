"""What executor decides: whose case it is, which papers are asked for, what the result says."""

import hashlib
from typing import Final, Literal, NamedTuple, assert_never

from msgspec.json import Encoder

from services.executor.commands import (
    DraftByRule,
    DraftNotification,
    ExecutorCommand,
    ReassignExecutor,
    RequestPaper,
)
from services.executor.state import SOURCE, ExecutorCase
from shared.course import Lodged
from shared.decider import Known
from shared.errors import Because, Refused
from shared.events.event import Event, Remark
from shared.events.executor import (
    ExecutorReassigned,
    Notification,
    NotificationDrafted,
    PaperRequested,
)
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
    present_executor,
    regulation,
)
from shared.identifiers import Role, Step
from shared.papers import missing_papers, only_known_kinds
from shared.procedures.outside import GroundForRefusal

_CANONICAL: Final = Encoder(order="sorted")
_GROUNDS = tuple(ground.value for ground in GroundForRefusal)


class Verdict(NamedTuple):
    """What a notification says: granted, or refused on a ground. Outside the resolution."""

    outcome: Literal["granted", "refused"]
    ground: str | None = None
    clause: str | None = None


GRANTED = Verdict("granted")


def decide(command: ExecutorCommand, case: ExecutorCase, known: Known) -> list[Event]:
    """One function for each command."""
    match command:
        case ReassignExecutor():
            return reassign_executor(command, case, known)
        case RequestPaper():
            return request_paper(command, case, known)
        case DraftNotification():
            return draft_notification(command, case, known)
        case DraftByRule():
            return draft_by_rule(command, case, known)
        case WithdrawCase() | MarkOverdue() | ResolveParked():
            return decide_as_holder(command, case, SOURCE, known)
        case _:
            assert_never(command)


def reassign_executor(command: ReassignExecutor, case: ExecutorCase, known: Known) -> list[Event]:
    """The head gives the case to another executor and says why; the first term stands."""
    lodged = known_here(case.course)
    clause = regulation(known, lodged).step(Step.ASSIGN).clause
    only(known, command.actor, Role.HEAD, lodged.office, clause)
    held_here(case.course, SOURCE)
    previous = case.responsible.staff
    if command.executor == previous:
        return []
    present_executor(known, command.executor, lodged.office, clause)
    reason = given(command.reason, "a reassignment has a reason", "reason")
    return [
        ExecutorReassigned(
            executor=command.executor,
            previous=previous,
            reassigned_at=known.now,
            private=Remark(text=reason),
        )
    ]


def request_paper(command: RequestPaper, case: ExecutorCase, known: Known) -> list[Event]:
    """The responsible executor asks for papers of known kinds. The text knows no pause."""
    lodged = _only_the_responsible(command.actor, case, known)
    procedure = regulation(known, lodged)
    outside = known.procedures.outside(procedure.id, procedure.edition)
    if not command.papers:
        raise Refused(
            "a request names papers",
            expected="at least one kind of paper",
            found="none",
            because=Because.INPUT,
            field="papers",
        )
    only_known_kinds(command.papers, procedure, outside, field="papers")
    return [
        PaperRequested(
            papers=command.papers,
            requested_at=known.now,
            private=Remark(text=command.message) if command.message else None,
        )
    ]


def draft_notification(command: DraftNotification, case: ExecutorCase, known: Known) -> list[Event]:
    """The responsible executor draws up the result: granted on full papers, refused on a ground."""
    lodged = _only_the_responsible(command.actor, case, known)
    given(command.notification.text, "a notification says something", "notification")
    verdict = _verdict(command, case, lodged, known)
    notification = command.notification
    if not notification.salt:
        notification = notification.model_copy(update={"salt": known.salt})
    return [_drafted(verdict, notification, lodged, case, known)]


def draft_by_rule(command: DraftByRule, case: ExecutorCase, known: Known) -> list[Event]:
    """With every paper there the result is drawn up by rule; a draft that came back is not."""
    lodged = held_here(case.course, SOURCE)
    procedure = regulation(known, lodged)
    only_by_rule(case.course, command.actor, Step.DRAFT, procedure.step(Step.DRAFT).clause)
    if not goes_by_itself(case, known):
        return []
    # The applicant's language is sealed, so the text is in both languages of the state.
    result = next(item for item in procedure.result_kinds if item.kind.value == lodged.result_kind)
    text = f"{result.text.kk}\n{result.text.ru}"
    notification = Notification(salt=known.salt, text=text)
    return [_drafted(GRANTED, notification, lodged, case, known)]


def goes_by_itself(case: ExecutorCase, known: Known) -> bool:
    """Whether a rule may draw up: every paper is there and no signer has objected."""
    lodged = case.course.lodged
    returned = len([held for held in case.course.path if held is SOURCE]) > 1
    return lodged is not None and not returned and not _missing(case, lodged, known)


def digest_of(notification: Notification) -> str:
    """SHA-256 of the canonical JSON: sorted names, no blanks, UTF-8."""
    return hashlib.sha256(_CANONICAL.encode(notification.model_dump(mode="json"))).hexdigest()


def _drafted(
    verdict: Verdict, notification: Notification, lodged: Lodged, case: ExecutorCase, known: Known
) -> NotificationDrafted:
    return NotificationDrafted(
        outcome=verdict.outcome,
        ground=verdict.ground,
        ground_clause=verdict.clause,
        result_kind=lodged.result_kind,
        digest=digest_of(notification),
        drafted_at=known.now,
        due=known.due(case.course, Step.SIGN),
        private=notification,
    )


def _only_the_responsible(actor: str, case: ExecutorCase, known: Known) -> Lodged:
    """Not any executor of the office: the one who was named, or named in their place."""
    lodged = known_here(case.course)
    clause = regulation(known, lodged).step(Step.DRAFT).clause
    staff = only(known, actor, Role.RESPONSIBLE_EXECUTOR, lodged.office, clause)
    held_here(case.course, SOURCE)
    if staff != case.responsible.staff:
        raise Refused(
            "only the responsible executor of the case does this",
            expected=f"staff:{case.responsible.staff}",
            found=actor,
            because=Because.ACTOR,
            clause=clause,
        )
    return lodged


def _missing(case: ExecutorCase, lodged: Lodged, known: Known) -> list[str]:
    procedure = regulation(known, lodged)
    outside = known.procedures.outside(procedure.id, procedure.edition)
    required = missing_papers(procedure, outside, lodged.channel, case.provided)
    return sorted({*required, *(set(case.requested) - case.provided)})


def _verdict(
    command: DraftNotification, case: ExecutorCase, lodged: Lodged, known: Known
) -> Verdict:
    if command.outcome == "refused":
        return _refusal(command.ground, lodged, known)
    if command.ground is not None:
        raise Refused(
            "a ground is for refusals",
            expected="no ground",
            found=command.ground,
            because=Because.INPUT,
            field="ground",
        )
    if missing := _missing(case, lodged, known):
        raise Refused(
            "a result is granted on complete papers",
            expected="every required and every requested paper",
            found=f"missing: {', '.join(missing)}",
            clause=regulation(known, lodged).step(Step.DRAFT).clause,
        )
    return GRANTED


def _refusal(ground: str | None, lodged: Lodged, known: Known) -> Verdict:
    """Only on one of the five grounds of the law on state services, article 19-1."""
    if ground not in _GROUNDS:
        raise Refused(
            "a service is refused on a ground of the law",
            expected=", ".join(_GROUNDS),
            found=ground or "none",
            because=Because.INPUT,
            clause="LSS 19-1",
            field="ground",
        )
    outside = known.procedures.outside(lodged.procedure, lodged.edition)
    clause = outside.ground(GroundForRefusal(ground)).clause
    return Verdict("refused", ground, clause)
