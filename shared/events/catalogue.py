"""The table of all events: the name in the log, the model, the owner, and what it does to a case.

The type strings are written by hand and are the contract (D12). A new shape of an event is a
new line `.v2` and an upcaster from the old one in `upcasts.py`; a line is never changed.
"""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.events import executor, holder, intake, notify, routing, signing
from shared.events.event import Event, Kind
from shared.identifiers import Source


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table.

    `hands_to` is the next holder of a hand-off, `ends` how the case is over after it.
    """

    type: str
    model: builtins.type[Event]
    owner: Source
    kind: Kind
    hands_to: Source | None = None
    ends: str | None = None
    department: bool = False
    """Told on `department-events`: a fact of no case."""


_INTAKE, _ROUTING, _EXECUTOR = Source.INTAKE, Source.ROUTING, Source.EXECUTOR
_SIGNING, _NOTIFY = Source.SIGNING, Source.NOTIFY
_HAND_OFF, _DECISION, _STATEMENT = Kind.HAND_OFF, Kind.DECISION, Kind.STATEMENT


def _holder_entries(owner: Source) -> tuple[Entry, ...]:
    name = f"qyzmet.{owner.value}"
    return (
        Entry(f"{name}.stage-overdue.v1", holder.StageOverdue, owner, _DECISION),
        Entry(
            f"{name}.case-withdrawn.v1", holder.CaseWithdrawn, owner, _DECISION, ends="withdrawn"
        ),
        Entry(f"{name}.withdrawal-declined.v1", holder.WithdrawalDeclined, owner, _DECISION),
        Entry(f"{name}.parked-resolved.v1", holder.ParkedResolved, owner, _STATEMENT),
    )


# fmt: off
ENTRIES: Final[tuple[Entry, ...]] = (
    Entry("qyzmet.intake.application-lodged.v1", intake.ApplicationLodged, _INTAKE, _DECISION),
    Entry("qyzmet.intake.application-registered.v1", intake.ApplicationRegistered, _INTAKE, _HAND_OFF, hands_to=_ROUTING),
    Entry("qyzmet.intake.request-rejected.v1", intake.RequestRejected, _INTAKE, _DECISION, ends="rejected"),
    Entry("qyzmet.intake.application-forwarded.v1", intake.ApplicationForwarded, _INTAKE, _STATEMENT),
    Entry("qyzmet.intake.paper-added.v1", intake.PaperAdded, _INTAKE, _STATEMENT),
    Entry("qyzmet.intake.withdrawal-requested.v1", intake.WithdrawalRequested, _INTAKE, _STATEMENT),
    Entry("qyzmet.intake.personal-data-erased.v1", intake.PersonalDataErased, _INTAKE, _STATEMENT),
    Entry("qyzmet.routing.executor-assigned.v1", routing.ExecutorAssigned, _ROUTING, _HAND_OFF, hands_to=_EXECUTOR),
    Entry("qyzmet.routing.staff-member-recorded.v1", routing.StaffMemberRecorded, _ROUTING, _STATEMENT, department=True),
    Entry("qyzmet.routing.absence-recorded.v1", routing.AbsenceRecorded, _ROUTING, _STATEMENT, department=True),
    Entry("qyzmet.routing.acting-head-named.v1", routing.ActingHeadNamed, _ROUTING, _STATEMENT, department=True),
    Entry("qyzmet.executor.executor-reassigned.v1", executor.ExecutorReassigned, _EXECUTOR, _DECISION),
    Entry("qyzmet.executor.paper-requested.v1", executor.PaperRequested, _EXECUTOR, _DECISION),
    Entry("qyzmet.executor.notification-drafted.v1", executor.NotificationDrafted, _EXECUTOR, _HAND_OFF, hands_to=_SIGNING),
    Entry("qyzmet.signing.notification-signed.v1", signing.NotificationSigned, _SIGNING, _HAND_OFF, hands_to=_NOTIFY),
    Entry("qyzmet.signing.notification-returned.v1", signing.NotificationReturned, _SIGNING, _HAND_OFF, hands_to=_EXECUTOR),
    Entry("qyzmet.notify.result-issued.v1", notify.ResultIssued, _NOTIFY, _DECISION, ends="issued"),
    Entry("qyzmet.notify.notice-sent.v1", notify.NoticeSent, _NOTIFY, _STATEMENT),
    Entry("qyzmet.notify.notice-failed.v1", notify.NoticeFailed, _NOTIFY, _STATEMENT),
    *_holder_entries(_INTAKE),
    *_holder_entries(_ROUTING),
    *_holder_entries(_EXECUTOR),
    *_holder_entries(_SIGNING),
    *_holder_entries(_NOTIFY),
)
# fmt: on

BY_TYPE: Final[Mapping[str, Entry]] = MappingProxyType({entry.type: entry for entry in ENTRIES})
_BY_MODEL: Final = MappingProxyType({(entry.model, entry.owner): entry for entry in ENTRIES})


def entry_of(event: Event, source: Source) -> Entry:
    """The line under which `source` tells this event.

    Raises:
        KeyError: `source` does not own such an event; a decider returned a foreign one.
    """
    return _BY_MODEL[type(event), source]
