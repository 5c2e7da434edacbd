"""The closed kinds a definition file may pick from. A new kind is a change of the program."""

from enum import StrEnum


class Participant(StrEnum):
    """Who acts in a channel process. `NOT_SAID`: the clause names an action without an actor."""

    RECIPIENT = "recipient"
    STATE_CORPORATION_OPERATOR = "state-corporation-operator"
    STATE_CORPORATION = "state-corporation"
    STATE_CORPORATION_SYSTEM = "state-corporation-system"
    PORTAL = "portal"
    PROVIDER = "provider"
    NOT_SAID = "not-said"


class Signer(StrEnum):
    """Whose electronic digital signature stands under an electronic document."""

    RECIPIENT = "recipient"
    STATE_CORPORATION_OPERATOR = "state-corporation-operator"
    PROVIDER_AUTHORISED_PERSON = "provider-authorised-person"


class InformationSystem(StrEnum):
    """The systems, registers and places that the regulations name."""

    PORTAL = "portal"
    EGOV_GATEWAY = "egov-gateway"
    GBD_FL = "gbd-fl"
    GBD_UL = "gbd-ul"
    UNIS = "unis"
    E_SOBES = "e-sobes"
    LABOUR_MARKET = "labour-market"
    STATE_CORPORATION_SYSTEM = "state-corporation-system"
    ELECTRONIC_QUEUE = "electronic-queue"
    PERSONAL_ACCOUNT = "personal-account"
    REVOKED_CERTIFICATES_LIST = "revoked-certificates-list"
    PROVIDER_INTERNET_RESOURCE = "provider-internet-resource"


class ReceivingSystem(StrEnum):
    """Where an electronic request goes for processing by the provider."""

    E_SOBES = "e-sobes"
    LABOUR_MARKET = "labour-market"
    NONE = "none"


class ElectronicForm(StrEnum):
    """How far the electronic form of the service is automated."""

    FULLY_AUTOMATED = "fully-automated"
    FULLY_OR_PARTLY_AUTOMATED = "fully-or-partly-automated"
    PARTLY_AUTOMATED = "partly-automated"


class ResultForm(StrEnum):
    """In which form the result is given."""

    ELECTRONIC = "electronic"
    PAPER = "paper"


class ResultDocument(StrEnum):
    """What the recipient gets."""

    NOTIFICATION = "notification"
    REFERRAL = "referral"
    FREE_SERVICES = "free-services"
    """R4 3.6 alone: services of vocational guidance, counted among the referrals by the law."""


class ResultKind(StrEnum):
    """The results that can be asked for: one in R2, one in R3, six in R4."""

    REGISTRATION_OF_DOCUMENTS = "registration-of-documents"
    ASSIGNMENT_OF_BENEFIT = "assignment-of-benefit"
    EMPLOYMENT = "employment"
    PUBLIC_WORKS = "public-works"
    VOCATIONAL_TRAINING = "vocational-training"
    SOCIAL_WORKPLACE = "social-workplace"
    YOUTH_PRACTICE = "youth-practice"
    CAREER_GUIDANCE = "career-guidance"


class StartGround(StrEnum):
    """What lets the steps begin."""

    APPLICATION = "application"
    REQUEST = "request"
    IDENTITY_DOCUMENT = "identity-document"


class StepBy(StrEnum):
    """Who takes a step in this program."""

    PERSON = "person"
    RULE = "rule"


class Said(StrEnum):
    """Whether a statement stands in the law, was inferred from it, or is a choice of the file."""

    LAW = "law"
    INFERRED = "inferred"
    NOT_SAID = "not-said"


class ProcessKind(StrEnum):
    """The words by which clauses 9-11 of R3 and clause 8 of R4 number their lines."""

    STEP = "step"
    PROCESS = "process"
    CONDITION = "condition"
    DELIVERY = "delivery"


class Check(StrEnum):
    """What a condition of a channel process checks."""

    RECIPIENT_IN_GBD = "recipient-in-gbd"
    POWER_OF_ATTORNEY_IN_UNIS = "power-of-attorney-in-unis"
    RECIPIENT_DATA_AUTHENTIC = "recipient-data-authentic"
    CERTIFICATE_VALIDITY_PERIOD = "certificate-validity-period"
    CERTIFICATE_NOT_REVOKED = "certificate-not-revoked"
    IIN_MATCHES = "iin-matches"
    DOCUMENTS_CONFORM = "documents-conform"
    GROUND_FOR_SERVICE = "ground-for-service"


class RefusalKind(StrEnum):
    """What is refused. `DATA_CANNOT_BE_OBTAINED` is not called a refusal by the law."""

    DATA_CANNOT_BE_OBTAINED = "data-cannot-be-obtained"
    REFUSAL_OF_AUTHORISATION = "refusal-of-authorisation"
    REFUSAL_OF_SERVICE = "refusal-of-service"


class RefusalReason(StrEnum):
    """Why, in the words of the law."""

    DATA_ABSENT = "data-absent"
    DATA_DO_NOT_MATCH = "data-do-not-match"
    EDS_NOT_CONFIRMED = "eds-not-confirmed"
    DOCUMENTS_NOT_PER_LIST = "documents-not-per-list"
    VIOLATIONS_IN_DOCUMENTS = "violations-in-documents"


class AnnexKind(StrEnum):
    """What an annex to a regulation is. None of the drawings is in the text."""

    BLOCK_SCHEME = "block-scheme"
    INTERACTION_DIAGRAM = "interaction-diagram"
    BUSINESS_PROCESS_DIRECTORY = "business-process-directory"


class ActEffect(StrEnum):
    """What an act did to the regulation."""

    APPROVED = "approved"
    NEW_EDITION = "new-edition"
    SECTION_HEADING = "section-heading"
    WORDS_REPLACED = "words-replaced"
    DELETED = "deleted"
    REPEALED = "repealed"


class EffectiveRule(StrEnum):
    """How the law sets the day from which an act is put into effect."""

    TEN_DAYS_AFTER_PUBLICATION = "ten-calendar-days-after-first-official-publication"


class DocumentKind(StrEnum):
    """Papers by their stable ids; events and forms use these words."""

    APPLICATION = "application"
    IDENTITY_DOCUMENT = "identity-document"
    IDENTITY_CARD = "identity-card"
    PASSPORT = "passport"
    RESIDENCE_PERMIT = "residence-permit"
    STATELESS_CERTIFICATE = "stateless-certificate"
    ORALMAN_CERTIFICATE = "oralman-certificate"
    BIRTH_CERTIFICATE = "birth-certificate"
    POWER_OF_ATTORNEY = "power-of-attorney"
    DISABILITY_CERTIFICATE = "disability-certificate"
    REHABILITATION_PROGRAMME = "rehabilitation-programme"
    VETERAN_CERTIFICATE = "veteran-certificate"
    WORK_ACCIDENT_ACT = "work-accident-act"
    EMPLOYER_LIQUIDATION_PROOF = "employer-liquidation-proof"
    RESIDENCE_REGISTRATION = "residence-registration"
    PMPK_CONCLUSION = "pmpk-conclusion"
    SCHOOL_CERTIFICATE = "school-certificate"
    MEDICAL_STATEMENT = "medical-statement"
    BANK_ACCOUNT = "bank-account"
    MARRIAGE_CERTIFICATE = "marriage-certificate"
    GUARDIANSHIP_PROOF = "guardianship-proof"
    CLAUSE_9_DOCUMENTS = "clause-9-documents"
    """The law names the list of the Standard as a whole; the list itself is not in its text."""


class Need(StrEnum):
    """Whether a paper must be there."""

    REQUIRED = "required"
    CONDITIONAL = "conditional"
    OPTIONAL = "optional"


class DocumentCondition(StrEnum):
    """When a conditional paper must be there."""

    REPRESENTATIVE_ACTS = "representative-acts"
    RECIPIENT_IS_ORALMAN = "recipient-is-oralman"
    RECIPIENT_IS_CHILD = "recipient-is-child"
    RECIPIENT_IS_VETERAN = "recipient-is-veteran"
    LABOUR_INJURY = "labour-injury"
    ABSENT_IN_SYSTEMS = "absent-in-information-systems"


class Confidence(StrEnum):
    """How well a statement from outside the resolution is known."""

    A = "A"
    """Read in full in a copy of the primary text."""
    B = "B"
    """Read in an excerpt of an official page, or in public program source."""
    C = "C"
    """Secondary: news, library data, a company's page."""
    D = "D"
    """General knowledge, not found: an assumption."""
    X = "X"
    """Looked for and not found."""
