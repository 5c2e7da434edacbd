"""A log that the real rules have told: for those who decide again what it says.

    case = RuledCase(PEOPLE)
    case.straight_through()

One stage's state is folded from what it has read, as in the services; what a wish needs of the
world is fixed. Unlike `tests.facts`, nothing here says what the rules would not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.executor.commands import DraftByRule, DraftNotification, ReassignExecutor
from services.intake.commands import LodgeApplication, RegisterApplication, RequestWithdrawal
from services.notify.commands import IssueByRule, IssueResult, RecordNotice
from services.program import RULE_BOOK
from services.routing.commands import AssignByRule, AssignExecutor, RecordStaffMember
from services.signing.commands import ReturnNotification, SignByRule, SignNotification
from shared.decider import Command, Decider, Known
from shared.directory import DepartmentCase, Directory, evolve_department
from shared.events.catalogue import entry_of
from shared.events.codec import encode
from shared.events.envelope import (
    GENESIS,
    Envelope,
    Fact,
    ProcedureRef,
    canonical,
    chain_hash,
    to_headers,
)
from shared.events.event import Event, Private, private_of
from shared.events.executor import Notification, NotificationDrafted
from shared.events.intake import Applicant, ApplicationLodged, Document
from shared.holding import WithdrawCase
from shared.identifiers import (
    DEPARTMENT,
    ApplicantRef,
    CaseId,
    Channel,
    EventId,
    Role,
    Source,
    Step,
    new_id,
)
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS
from shared.privacy.sealing import CaseKey, seal
from shared.procedures.catalogue import load_catalogue
from shared.procedures.working_time import calendar_from_holidays
from tests.facts import IIN, Written

OFFICE = "almaly"
BEGIN = datetime(2026, 1, 12, 4, 0, 0, 123456, tzinfo=UTC)
PROCEDURES = load_catalogue()
CALENDAR = calendar_from_holidays(range(2025, 2028))
PAPERS = {
    "employment-referral": ("identity-document",),
    "prosthetic-aid": (
        "application", "identity-document", "disability-certificate", "rehabilitation-programme",
    ),
    "home-education": (
        "application", "identity-document", "residence-registration", "pmpk-conclusion",
        "disability-certificate", "school-certificate", "bank-account",
    ),
}  # fmt: skip
STAFF: Mapping[str, Role] = {
    "adina": Role.ADMINISTRATOR,
    "aigul": Role.OFFICE_SPECIALIST,
    "serik": Role.HEAD,
    "bota": Role.MANAGEMENT,
    "dana": Role.RESPONSIBLE_EXECUTOR,
    "erlan": Role.RESPONSIBLE_EXECUTOR,
}
RESULTS = {"employment-referral": "employment"}


@dataclass
class Telling:
    """Facts of one case as its stages tell them, chained."""

    case_id: CaseId
    topic: str
    key: CaseKey = field(default_factory=CaseKey.new)
    clock: datetime = BEGIN
    facts: list[Fact] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)

    def decide(
        self, decider: Decider[Any, Any], command: Command, directory: Directory, unread: int = 0
    ) -> None:
        """A wish is decided and its events are told; `unread` foreign facts are not read yet."""
        self.clock += timedelta(minutes=1, microseconds=7)
        foreign = [fact for fact in self.facts if fact.envelope.source is not decider.source]
        hidden = {fact.envelope.event_id for fact in foreign[len(foreign) - unread :]}
        state = decider.state()
        for fact in self.facts:
            if fact.envelope.event_id not in hidden:
                state = decider.evolve(state, fact)
        known = Known(self.clock, PROCEDURES, CALENDAR, directory, salt="salt")
        for event in decider.decide(command, state, known):
            course = decider.course(state)
            fact = self._tell(decider.source, event, command.actor, course.turn)
            state = decider.evolve(state, fact)

    def _tell(self, source: Source, event: Event, actor: str, turn: int) -> Fact:
        entry, event_id = entry_of(event, source), EventId(new_id())
        private = private_of(event)
        if isinstance(private, Private):
            block = seal(
                self.key, type_=entry.type, case_id=self.case_id, event_id=event_id, private=private
            )
            event = event.model_copy(update={"private": block})
        own = [fact for fact in self.facts if fact.envelope.source is source]
        head = GENESIS
        for record, fact in zip(self.written, self.facts, strict=True):
            if fact.envelope.source is source:
                head = chain_hash(canonical(fact.envelope.attributes()), record.value or b"")
        envelope = Envelope(
            event_id=event_id,
            type=entry.type,
            source=source,
            case_id=self.case_id,
            sequence=len(own) + 1,
            turn=turn,
            time=self.clock,
            actor=actor,
            office=OFFICE,
            procedure=self._procedure(event),
            synthetic=True,
            prev_hash=head,
        )
        fact = Fact(envelope, entry, event)
        self.facts.append(fact)
        headers = to_headers(envelope.attributes())
        key = str(self.case_id).encode()
        self.written.append(Written(self.topic, key, headers, encode(event), event_id))
        return fact

    def _procedure(self, event: Event) -> str:
        if self.case_id == DEPARTMENT:
            return "department"
        lodged = event if isinstance(event, ApplicationLodged) else self.facts[0].event
        assert isinstance(lodged, ApplicationLodged)
        return str(ProcedureRef(lodged.procedure, lodged.edition, lodged.procedure_digest))


class RuledDepartment(Telling):
    """Who works here, recorded by the rules of the directory."""

    def __init__(self, staff: Mapping[str, Role] = STAFF) -> None:
        super().__init__(DEPARTMENT, DEPARTMENT_EVENTS, clock=BEGIN - timedelta(days=1))
        assert RULE_BOOK.department is not None
        for place, (name, role) in enumerate(staff.items()):
            actor = "staff:adina" if place else "rule:bootstrap"
            command = RecordStaffMember(DEPARTMENT, actor, name, OFFICE, (role,), True, name)
            self.decide(RULE_BOOK.department.decider, command, self.directory)

    @property
    def directory(self) -> Directory:
        """As it is now."""
        case = DepartmentCase()
        for fact in self.facts:
            case = evolve_department(case, fact)
        return case.directory


class RuledCase(Telling):
    """A case told step by step by the rules of its stages."""

    def __init__(
        self,
        directory: Directory,
        *,
        procedure: str = "employment-referral",
        by_rule: Sequence[Step] = (),
    ) -> None:
        super().__init__(CaseId(new_id()), CASE_EVENTS)
        self.directory = directory
        self.procedure = procedure
        self.by_rule = tuple(by_rule)

    def wish(self, source: Source, command: Command, *, unread: int = 0) -> None:
        """Somebody, or a rule, asks a stage for something."""
        self.decide(RULE_BOOK.stages[source].decider, command, self.directory, unread)

    def lodged(self) -> None:
        edition = PROCEDURES.editions(self.procedure)[-1]
        self.wish(
            Source.INTAKE,
            LodgeApplication(
                case_id=self.case_id,
                actor="staff:aigul",
                procedure=self.procedure,
                edition=edition,
                channel=Channel.OFFICE,
                office=OFFICE,
                applicant=ApplicantRef(uuid4()),
                private=Applicant(iin=IIN, surname="Canary", given_name="Person"),
                documents=tuple(
                    Document(kind=kind, state="provided") for kind in PAPERS[self.procedure]
                ),
                result_kind=RESULTS.get(self.procedure),
                by_rule=self.by_rule,
                notice="sms",
            ),
        )

    def registered(self) -> None:
        self.wish(Source.INTAKE, RegisterApplication(self.case_id, "staff:aigul"))

    def assigned(self, executor: str = "dana") -> None:
        command = AssignExecutor(self.case_id, "staff:serik", executor, "please")
        self.wish(Source.ROUTING, command)

    def reassigned(self, executor: str = "erlan") -> None:
        command = ReassignExecutor(self.case_id, "staff:serik", executor, "leave")
        self.wish(Source.EXECUTOR, command)

    def drafted(self, executor: str = "dana") -> None:
        text = Notification(salt="", text="granted")
        command = DraftNotification(self.case_id, f"staff:{executor}", "granted", text)
        self.wish(Source.EXECUTOR, command)

    def returned(self) -> None:
        command = ReturnNotification(self.case_id, self._signer, "the sum is wrong")
        self.wish(Source.SIGNING, command)

    def signed(self) -> None:
        self.wish(Source.SIGNING, SignNotification(self.case_id, self._signer, self._digest))

    def issued(self) -> None:
        self.wish(Source.NOTIFY, IssueResult(self.case_id, "staff:aigul", "desk"))

    def noticed(self) -> None:
        self.wish(Source.NOTIFY, RecordNotice(self.case_id, "rule:notice", "sent"))

    def withdrawal_requested(self, *, unread: int = 0) -> None:
        command = RequestWithdrawal(self.case_id, "staff:aigul", "changed my mind")
        self.wish(Source.INTAKE, command, unread=unread)

    def withdrawn(self, source: Source) -> None:
        self.wish(source, WithdrawCase(self.case_id, "rule:withdrawal"))

    def straight_through(self) -> list[Written]:
        """By people, from lodging to the message."""
        for step in (
            self.lodged, self.registered, self.assigned, self.drafted, self.signed, self.issued,
            self.noticed,
        ):  # fmt: skip
            step()
        return self.written

    def straight_by_rule(self) -> list[Written]:
        """By rules, from lodging to the message."""
        self.by_rule = tuple(Step)
        self.lodged()
        self.wish(Source.ROUTING, AssignByRule(self.case_id, "rule:least-loaded"))
        self.wish(Source.EXECUTOR, DraftByRule(self.case_id, "rule:checks-confirmed"))
        self.wish(Source.SIGNING, SignByRule(self.case_id, "rule:department-seal"))
        self.wish(Source.NOTIFY, IssueByRule(self.case_id, "rule:issue-to-account"))
        self.noticed()
        return self.written

    @property
    def _signer(self) -> str:
        return "staff:bota" if self.procedure == "prosthetic-aid" else "staff:serik"

    @property
    def _digest(self) -> str:
        drafts = [f.event for f in self.facts if isinstance(f.event, NotificationDrafted)]
        return drafts[-1].digest
