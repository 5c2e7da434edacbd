"""What the resolution does not contain: from other laws, other pages, or assumed.

Each item says where it comes from and how well it is known. Unlike the definition beside it,
such a file may be corrected; a correction changes no case's edition and no digest of the law.
"""

from datetime import time
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.identifiers import Channel, Digest, Edition
from shared.procedures import kinds
from shared.procedures.parts import LawClause, Part, ProcedureId, Regulation, Text, Within

SourceId = Annotated[str, StringConstraints(pattern=r"^([LWNG][0-9]{1,2}|assumption|decision)$")]
OtherLawClause = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{1,4} [0-9]+(-[0-9]+)?(\.[0-9]+)*$")
]
"""A place in another law: `LSS 19-1.1` is the Law on state services, article 19-1, ground 1."""
Period = Literal["2015-2020", "current"]


class GroundForRefusal(StrEnum):
    """The five grounds of article 19-1 of the Law on state services."""

    UNTRUE_DOCUMENTS = "untrue-documents"
    REQUIREMENTS_NOT_MET = "requirements-not-met"
    NEGATIVE_ANSWER_OF_STATE_BODY = "negative-answer-of-state-body"
    COURT_BAN = "court-ban"
    SPECIAL_RIGHT_WITHDRAWN = "special-right-withdrawn"


class FormField(StrEnum):
    """Entries of an application form."""

    BANK_ACCOUNT = "bank-account"
    CHILD_SURNAME = "child-surname"
    CHILD_GIVEN_NAME = "child-given-name"
    CHILD_PATRONYMIC = "child-patronymic"
    CHILD_IIN = "child-iin"
    CHILD_BIRTH_DATE = "child-birth-date"
    RESIDENCE_ADDRESS = "residence-address"
    PHONE = "phone"


class Place(StrEnum):
    """Whose hours they are."""

    PROVIDER = "provider"
    PROVIDER_ACCEPTANCE = "provider-acceptance"
    STATE_CORPORATION = "state-corporation"
    PORTAL = "portal"


class TermKind(StrEnum):
    """Terms that the Standard states and the resolution does not."""

    WHOLE_TERM = "whole-term"
    SERVING_AT_STATE_CORPORATION = "serving-at-state-corporation"


class RuleKind(StrEnum):
    """Rules of other laws that touch the service."""

    INCOMPLETE_PACKAGE_NOT_ACCEPTED = "incomplete-package-not-accepted"
    MAY_APPLY_AGAIN = "may-apply-again"
    RESULT_A_DAY_BEFORE_THE_END = "result-a-day-before-the-end"
    DAY_OF_ACCEPTANCE_EXCLUDED = "day-of-acceptance-excluded"
    WHO_MAY_APPLY = "who-may-apply"
    WHO_IS_EXCLUDED = "who-is-excluded"
    TURN_TO_EMPLOYER = "turn-to-employer"
    ISSUED_BY_EMPLOYMENT_CENTRE = "issued-by-employment-centre"


class ReadingKind(StrEnum):
    """Questions that the law leaves open and that the program had to answer."""

    POWER_OF_ATTORNEY_LOOK_UP = "power-of-attorney-look-up"
    LEGAL_ENTITIES_LOOK_UP = "legal-entities-look-up"
    WORKING_DAYS = "working-days"
    MINUTES = "minutes"
    WHO_SIGNS = "who-signs"


class UnknownKind(StrEnum):
    """What was looked for and not found."""

    STANDARD_TEXT = "standard-text"
    DOCUMENT_LIST = "document-list"
    APPLICATION_FORM = "application-form"
    STANDARD_GROUNDS = "standard-grounds"
    PUBLICATION_DATES = "publication-dates"
    AMOUNT = "amount"


class Source(Part):
    """A source by its id."""

    id: SourceId
    text: Text


class OutsideDocument(Part):
    """A paper of clause 9 of the Standard, as far as it is known."""

    kind: kinds.DocumentKind
    need: kinds.Need
    when: kinds.DocumentCondition | None = None
    variants: tuple[kinds.DocumentKind, ...] = ()
    channel: Channel | None = None
    period: Period
    source: SourceId
    confidence: kinds.Confidence
    text: Text


class OutsideField(Part):
    """An entry of the application form, as far as it is known. All of them are personal data."""

    field: FormField
    need: kinds.Need
    source: SourceId
    confidence: kinds.Confidence
    text: Text


class OutsideGround(Part):
    """A ground on which the service may be refused; none stands in the resolution."""

    ground: GroundForRefusal
    clause: OtherLawClause
    source: SourceId
    confidence: kinds.Confidence
    text: Text


class Hours(Part):
    """Opening hours, local time. No hours mean round the clock."""

    place: Place
    days: Literal["monday-friday", "monday-saturday", "every-day"]
    opens: time | None = None
    closes: time | None = None
    break_begins: time | None = None
    break_ends: time | None = None
    source: SourceId
    confidence: kinds.Confidence


class Term(Part):
    """A term that is not in the resolution."""

    term: TermKind
    within: Within
    period: Period
    source: SourceId
    confidence: kinds.Confidence


class OutsideRule(Part):
    """A rule of another law."""

    rule: RuleKind
    clause: OtherLawClause | None = None
    source: SourceId
    confidence: kinds.Confidence
    text: Text


class Reading(Part):
    """How this program reads a place that the law leaves open."""

    reading: ReadingKind
    clause: LawClause
    source: SourceId
    text: Text


class Unfound(Part):
    """Looked for and not found."""

    what: UnknownKind
    text: Text


class Outside(Part):
    """The file beside a definition."""

    procedure: ProcedureId
    regulation: Regulation
    edition: Edition
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    documents: tuple[OutsideDocument, ...]
    form_fields: tuple[OutsideField, ...]
    grounds: tuple[OutsideGround, ...]
    hours: tuple[Hours, ...]
    terms: tuple[Term, ...]
    rules: tuple[OutsideRule, ...]
    readings: tuple[Reading, ...]
    not_found: tuple[Unfound, ...]
    digest: Digest

    def __hash__(self) -> int:
        """By the file's bytes, like a procedure."""
        return hash(self.digest)

    def ground(self, ground: GroundForRefusal) -> OutsideGround:
        """A ground for refusal by its id; the loader has made sure that all five are there."""
        return next(found for found in self.grounds if found.ground is ground)
