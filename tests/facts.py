"""Facts as the services would tell them, straight into the log: for tests of who reads it.

case = CaseFacts(office="almaly")
case.straight_through()
await publish(broker.bootstrap, case.written)
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from shared.events.catalogue import entry_of
from shared.events.codec import encode
from shared.events.envelope import GENESIS, Envelope, canonical, chain_hash, to_headers
from shared.events.event import Event, Kind, Private, Remark
from shared.events.executor import (
    ExecutorReassigned,
    Notification,
    NotificationDrafted,
    PaperRequested,
)
from shared.events.holder import CaseWithdrawn, ParkedResolved, StageOverdue
from shared.events.intake import (
    Applicant,
    ApplicationLodged,
    ApplicationRegistered,
    PersonalDataErased,
    RequestRejected,
    WithdrawalRequested,
)
from shared.events.notify import NoticeSent, ResultIssued
from shared.events.routing import (
    AbsenceRecorded,
    ActingHeadNamed,
    ExecutorAssigned,
    StaffMemberRecorded,
    StaffName,
)
from shared.events.signing import NotificationReturned, NotificationSigned
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
    registration_number,
)
from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS
from shared.privacy.sealing import CaseKey, seal
from shared.procedures.due import Due, DueRule

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DIGEST = hashlib.sha256(b"a procedure").hexdigest()
IIN = "880101300017"
_SEND_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Written:
    """One record, as a relay would send it."""

    topic: str
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None
    event_id: EventId

    def but(self, *, value: bytes | None = None, **headers: bytes) -> "Written":
        """The same record with another value or other `ce_` headers: how a log is spoilt."""
        changed = {f"ce_{name}": text for name, text in headers.items()}
        return replace(
            self,
            value=self.value if value is None else value,
            headers=[(name, changed.get(name, text)) for name, text in self.headers],
        )


@dataclass
class Teller:
    """What all facts of one case (or of the department) have in common."""

    case_id: CaseId
    office: str
    procedure: str
    topic: str
    key: CaseKey = field(default_factory=CaseKey.new)
    synthetic: bool = True
    turn: int = 0
    written: list[Written] = field(default_factory=list)
    sequences: dict[Source, int] = field(default_factory=dict)
    heads: dict[Source, str] = field(default_factory=dict)
    clock: datetime = START

    def tell(
        self,
        source: Source,
        event: Event,
        *,
        actor: str = "staff:aigul",
        turn: int | None = None,
        sequence: int | None = None,
    ) -> Written:
        """Add the next fact of a source; its private part is sealed as the journal would."""
        entry = entry_of(event, source)
        event_id = EventId(new_id())
        private = getattr(event, "private", None)
        if isinstance(private, Private):
            sealed = seal(
                self.key, type_=entry.type, case_id=self.case_id, event_id=event_id, private=private
            )
            event = event.model_copy(update={"private": sealed})
        self.clock += timedelta(minutes=1)
        if sequence is None:
            sequence = self.sequences[source] = self.sequences.get(source, 0) + 1
        envelope = Envelope(
            event_id=event_id,
            type=entry.type,
            source=source,
            case_id=self.case_id,
            sequence=sequence,
            turn=self.turn if turn is None else turn,
            time=self.clock,
            actor=actor,
            office=self.office,
            procedure=self.procedure,
            synthetic=self.synthetic,
            prev_hash=self.heads.get(source, GENESIS),
        )
        if turn is None and entry.kind is Kind.HAND_OFF:
            self.turn += 1
        return self._keep(envelope, encode(event))

    def _keep(self, envelope: Envelope, value: bytes) -> Written:
        attributes = envelope.attributes()
        self.heads[envelope.source] = chain_hash(canonical(attributes), value)
        key = str(self.case_id).encode()
        record = Written(self.topic, key, to_headers(attributes), value, envelope.event_id)
        self.written.append(record)
        return record

    def due(self, days: int, clause: str) -> Due:
        """A due so many days from the case's present."""
        return Due(
            at=self.clock + timedelta(days=days),
            rule=DueRule.WORKING_DAYS_AFTER_EVENT,
            calendar="test-2026",
            clause=clause,
        )


class CaseFacts(Teller):
    """One case of `home-education`, told step by step by whoever holds it."""

    def __init__(
        self,
        *,
        office: str = "almaly",
        applicant: ApplicantRef | None = None,
        key: CaseKey | None = None,
        case_id: CaseId | None = None,
        by_rule: tuple[Step, ...] = (),
    ) -> None:
        super().__init__(
            case_id=case_id or CaseId(new_id()),
            office=office,
            procedure=f"home-education@2016-08-25#{DIGEST}",
            topic=CASE_EVENTS,
            key=key or CaseKey.new(),
        )
        self.applicant = applicant or ApplicantRef(uuid4())
        self.by_rule = by_rule
        self.number = registration_number(self.case_id, "HE", 2026)

    def lodged(self, person: Applicant | None = None) -> Written:
        """Papers came in."""
        event = ApplicationLodged(
            procedure="home-education",
            edition="2016-08-25",
            procedure_digest=DIGEST,
            channel=Channel.OFFICE,
            office=self.office,
            applicant=self.applicant,
            result_kind="assignment-of-benefit",
            documents=(),
            by_rule=self.by_rule,
            lodged_at=self.clock,
            due=self.due(0, "R3 5.1"),
            private=person or Applicant(iin=IIN, surname="Canary", given_name="Person"),
        )
        return self.tell(Source.INTAKE, event)

    def registered(self) -> Written:
        """Registered and handed to routing."""
        event = ApplicationRegistered(
            registration_number=self.number,
            registered_at=self.clock,
            due=self.due(1, "R3 5.2"),
            whole_due=self.due(10, "R3 5"),
        )
        return self.tell(Source.INTAKE, event)

    def rejected(self) -> Written:
        """Never became a registered case."""
        event = RequestRejected(
            message="no-papers", check="papers", clause="R3 5.1", rejected_at=self.clock
        )
        return self.tell(Source.INTAKE, event)

    def assigned(self, executor: str = "bolat") -> Written:
        """The head named an executor."""
        event = ExecutorAssigned(
            executor=executor,
            assigned_at=self.clock,
            due=self.due(6, "R3 5.3"),
            private=Remark(text="please hurry"),
        )
        return self.tell(Source.ROUTING, event, actor="staff:head")

    def reassigned(self, executor: str, previous: str = "bolat") -> Written:
        """The head changed her mind."""
        event = ExecutorReassigned(
            executor=executor,
            previous=previous,
            reassigned_at=self.clock,
            private=Remark(text="leave"),
        )
        return self.tell(Source.EXECUTOR, event, actor="staff:head")

    def paper_requested(self) -> Written:
        """The executor asks for a paper."""
        event = PaperRequested(
            papers=("school-certificate",), requested_at=self.clock, private=Remark(text="page 2")
        )
        return self.tell(Source.EXECUTOR, event, actor="staff:bolat")

    def drafted(self) -> Written:
        """The notification is drawn up."""
        event = NotificationDrafted(
            outcome="granted",
            result_kind="assignment-of-benefit",
            digest=DIGEST,
            drafted_at=self.clock,
            due=self.due(1, "R3 5.4"),
            private=Notification(salt="salt", text="the benefit is assigned"),
        )
        return self.tell(Source.EXECUTOR, event, actor="staff:bolat")

    def returned(self) -> Written:
        """The head gives the draft back."""
        event = NotificationReturned(
            digest=DIGEST,
            returned_at=self.clock,
            due=self.due(3, "R3 5.3"),
            private=Remark(text="the sum is wrong"),
        )
        return self.tell(Source.SIGNING, event, actor="staff:head")

    def signed(self) -> Written:
        """The head signed."""
        event = NotificationSigned(digest=DIGEST, signed_at=self.clock, due=self.due(1, "R3 5.5"))
        return self.tell(Source.SIGNING, event, actor="staff:head")

    def issued(self) -> Written:
        """The result went out; the case is over."""
        event = ResultIssued(
            result_number=f"{self.number}/1",
            outcome="granted",
            result_kind="assignment-of-benefit",
            digest=DIGEST,
            way="desk",
            to="applicant",
            issued_at=self.clock,
        )
        return self.tell(Source.NOTIFY, event)

    def notice_sent(self) -> Written:
        """The applicant was told."""
        event = NoticeSent(way="sms", template="result-ready", sent_at=self.clock)
        return self.tell(Source.NOTIFY, event, actor="rule:notice")

    def overdue(self, source: Source, step: Step) -> Written:
        """The holder says that its term ran out."""
        event = StageOverdue(step=step, due=self.due(0, "R3 5.2"), noticed_at=self.clock)
        return self.tell(source, event, actor="rule:deadline")

    def withdrawal_requested(self) -> Written:
        """The applicant asks to withdraw."""
        event = WithdrawalRequested(requested_at=self.clock, private=Remark(text="moving away"))
        return self.tell(Source.INTAKE, event)

    def withdrawn(self, source: Source, request: EventId) -> Written:
        """The holder meets the wish; the case is over."""
        event = CaseWithdrawn(request=request, withdrawn_at=self.clock)
        return self.tell(source, event, actor="rule:withdrawal")

    def erased(self) -> Written:
        """The person's data can no longer be read."""
        event = PersonalDataErased(applicant=self.applicant, erased_at=self.clock)
        return self.tell(Source.INTAKE, event, actor="operator:timur")

    def resolved(
        self, source: Source, at: tuple[int, int], how: str, record: EventId | None = None
    ) -> Written:
        """An operator dealt with a parked record."""
        event = ParkedResolved.model_validate(
            {
                "record": record,
                "partition": at[0],
                "offset": at[1],
                "how": how,
                "resolved_at": self.clock,
                "private": Remark(text="seen to"),
            }
        )
        return self.tell(source, event, actor="operator:timur")

    def straight_through(self) -> list[Written]:
        """From lodging to the issued result, without a detour."""
        self.lodged()
        self.registered()
        self.assigned()
        self.drafted()
        self.signed()
        self.issued()
        return self.written


class DepartmentFacts(Teller):
    """The department: who works here, who is away, who acts for the head."""

    def __init__(self, key: CaseKey | None = None) -> None:
        super().__init__(
            case_id=DEPARTMENT,
            office="department",
            procedure="department",
            topic=DEPARTMENT_EVENTS,
            key=key or CaseKey.new(),
        )

    def member(
        self, staff: str, *roles: Role, office: str = "almaly", active: bool = True
    ) -> Written:
        """Somebody works here."""
        event = StaffMemberRecorded(
            staff=staff,
            office=office,
            roles=roles,
            active=active,
            private=StaffName(full_name=f"Full Name of {staff}"),
        )
        return self.tell(Source.ROUTING, event, actor="staff:administrator")

    def away(self, staff: str, first_day: date, last_day: date) -> Written:
        """Somebody is absent."""
        event = AbsenceRecorded(staff=staff, first_day=first_day, last_day=last_day, reason="leave")
        return self.tell(Source.ROUTING, event, actor="staff:administrator")

    def acting(
        self, staff: str, first_day: date, last_day: date, office: str = "almaly"
    ) -> Written:
        """Somebody acts for the head."""
        event = ActingHeadNamed(
            role=Role.HEAD, office=office, staff=staff, first_day=first_day, last_day=last_day
        )
        return self.tell(Source.ROUTING, event, actor="staff:administrator")


async def publish(bootstrap: str, records: Iterable[Written]) -> list[tuple[int, int]]:
    """Send in this order; the partition and offset of each."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=256 * 1024,
    )
    try:
        await producer.start()
        async with asyncio.timeout(_SEND_S_MAX):
            waiting = [
                await producer.send(
                    record.topic, record.value, key=record.key, headers=list(record.headers)
                )
                for record in records
            ]
            sent = [await each for each in waiting]
    finally:
        async with asyncio.timeout(_SEND_S_MAX):
            await producer.stop()
    return [(each.partition, each.offset) for each in sent]
