"""The facts of a case of each of the three services, step by step, as the tests need them."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from services.executor.rules import digest_of
from services.intake.commands import LodgeApplication
from shared.events.event import Event
from shared.events.executor import Notification, NotificationDrafted
from shared.events.intake import (
    Applicant,
    ApplicationLodged,
    ApplicationRegistered,
    Document,
    WithdrawalRequested,
)
from shared.events.notify import ResultIssued
from shared.events.routing import ExecutorAssigned
from shared.events.signing import NotificationReturned, NotificationSigned
from shared.identifiers import Channel, Source, Step
from shared.procedures.due import Due, DueRule
from shared.procedures.models import Procedure
from tests.rules.scenario import (
    APPLICANT,
    CASE,
    EXECUTOR,
    HEAD,
    KNOWN,
    MANAGEMENT,
    NOW,
    OFFICE,
    OFFICE_CLERK,
    Told,
)

PERSON = Applicant(iin="850101300019", surname="С", given_name="А", language="ru")
NOTIFICATION = Notification(salt="salt", text="The benefit is assigned.")
DIGEST = digest_of(NOTIFICATION)
NUMBER = "HE-2026-0000-0000-C45E"
ALL_STEPS = tuple(Step)

REGISTERING = Due(
    at=NOW + timedelta(minutes=15), rule=DueRule.MINUTES_FROM_EVENT, calendar="c", clause="R3 5.1"
)
ASSIGNING, DRAFTING, SIGNING, ISSUING = (
    Due(
        at=NOW + timedelta(days=days),
        rule=DueRule.WORKING_DAYS_AFTER_EVENT,
        calendar="c",
        clause=f"R3 5.{place}",
    )
    for place, days in ((2, 1), (3, 7), (4, 8), (5, 9))
)

REGISTERED = ApplicationRegistered(
    registration_number=NUMBER, registered_at=NOW, due=ASSIGNING, whole_due=ISSUING
)
ASSIGNED = ExecutorAssigned(executor="dana", assigned_at=NOW, due=DRAFTING)
SIGNED = NotificationSigned(digest=DIGEST, signed_at=NOW, due=ISSUING)
ASKED = WithdrawalRequested(requested_at=NOW)


@dataclass(frozen=True)
class Service:
    """One of the three, with what the tests expect of it: taken from the regulation by hand."""

    procedure: str
    edition: str
    regulation: str
    result_kind: str
    papers: tuple[str, ...]
    signer: str
    """Who signs: the management in R2 5.4, the head in R3 5.4 and R4 5.4."""
    not_signer: str

    @property
    def law(self) -> Procedure:
        return KNOWN.procedures.procedure(self.procedure, self.edition)

    @property
    def documents(self) -> tuple[Document, ...]:
        return tuple(Document(kind=kind, state="provided") for kind in self.papers)

    def clause(self, place: int) -> str:
        return f"{self.regulation} 5.{place}"

    def lodging(
        self,
        *,
        channel: Channel = Channel.OFFICE,
        by_rule: tuple[Step, ...] = (),
        documents: tuple[Document, ...] | None = None,
        actor: str = OFFICE_CLERK,
        result_kind: str | None = "the usual",
    ) -> LodgeApplication:
        """The command that begins a case."""
        return LodgeApplication(
            case_id=CASE,
            actor=actor,
            procedure=self.procedure,
            edition=self.edition,
            channel=channel,
            office=OFFICE,
            applicant=APPLICANT,
            private=PERSON,
            documents=self.documents if documents is None else documents,
            result_kind=self.result_kind if result_kind == "the usual" else result_kind,
            by_rule=by_rule,
        )

    def lodged(
        self,
        *,
        by_rule: tuple[Step, ...] = (),
        missing: str | None = None,
        channel: Channel = Channel.OFFICE,
        notice: str | None = None,
    ) -> ApplicationLodged:
        return ApplicationLodged.model_validate(
            {
                "procedure": self.procedure,
                "edition": self.edition,
                "procedure_digest": self.law.digest,
                "channel": channel,
                "office": OFFICE,
                "applicant": APPLICANT,
                "result_kind": self.result_kind,
                "documents": [one for one in self.documents if one.kind != missing],
                "by_rule": by_rule,
                "notice": notice,
                "lodged_at": NOW,
                "due": REGISTERING,
                "private": "erased",
            }
        )

    def drafted(self, digest: str = DIGEST, actor: str = EXECUTOR) -> Told:
        event = NotificationDrafted(
            outcome="granted",
            result_kind=self.result_kind,
            digest=digest,
            drafted_at=NOW,
            due=SIGNING,
            private="erased",
        )
        return Told(event, actor=actor)

    def until_routing(self, **lodging: object) -> list[Event | Told]:
        return [self.lodged(**lodging), REGISTERED]  # type: ignore[arg-type]

    def until_executor(self, **lodging: object) -> list[Event | Told]:
        return [*self.until_routing(**lodging), ASSIGNED]

    def until_signing(self, **lodging: object) -> list[Event | Told]:
        return [*self.until_executor(**lodging), self.drafted()]

    def until_notify(self, **lodging: object) -> list[Event | Told]:
        return [*self.until_signing(**lodging), SIGNED]

    def until_issued(self, **lodging: object) -> list[Event | Told]:
        return [*self.until_notify(**lodging), self.issued()]

    def issued(self) -> ResultIssued:
        return ResultIssued.model_validate(
            {
                "result_number": f"{NUMBER}/1",
                "outcome": "granted",
                "result_kind": self.result_kind,
                "digest": DIGEST,
                "way": "desk",
                "to": "applicant",
                "issued_at": NOW,
            }
        )


def returned(digest: str = DIGEST) -> Told:
    """A signer has given the draft back; the term of the first draft stands."""
    event = NotificationReturned(digest=digest, returned_at=NOW, due=DRAFTING, private="erased")
    return Told(event, source=Source.SIGNING, actor=HEAD)


PROSTHETICS = Service(
    procedure="prosthetic-aid",
    edition="2016-08-25",
    regulation="R2",
    result_kind="registration-of-documents",
    papers=(
        "application",
        "identity-document",
        "disability-certificate",
        "rehabilitation-programme",
    ),
    signer=MANAGEMENT,
    not_signer=HEAD,
)
HOME_EDUCATION = Service(
    procedure="home-education",
    edition="2016-08-25",
    regulation="R3",
    result_kind="assignment-of-benefit",
    papers=(
        "application",
        "identity-document",
        "residence-registration",
        "pmpk-conclusion",
        "disability-certificate",
        "school-certificate",
        "bank-account",
    ),
    signer=HEAD,
    not_signer=MANAGEMENT,
)
REFERRALS = Service(
    procedure="employment-referral",
    edition="2017-12-12",
    regulation="R4",
    result_kind="public-works",
    papers=("identity-document",),
    signer=HEAD,
    not_signer=MANAGEMENT,
)
SERVICES = (PROSTHETICS, HOME_EDUCATION, REFERRALS)

for_each_service = pytest.mark.parametrize(
    "service", SERVICES, ids=[service.procedure for service in SERVICES]
)
