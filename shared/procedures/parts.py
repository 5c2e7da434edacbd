"""The parts of a regulation: frozen, closed, every item with its clause.

`None` in a field means that the law says nothing on it. The files write `not-said`.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import StringConstraints as Constraints

from shared.identifiers import Channel, Role, Step
from shared.procedures import kinds
from shared.procedures.due import TimeLimit, TimeUnit

Language = Literal["kk", "ru", "en"]

ProcedureId = Annotated[str, Constraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
Regulation = Annotated[str, Constraints(pattern=r"^R[1-9][0-9]?$")]
StepClause = Annotated[str, Constraints(pattern=r"^(RES|R[1-9][0-9]?) [0-9]+(\.[0-9]+)?$")]
"""A numbered place: `R3 5.2`, `R3 3`. Events carry only such clauses."""
LawClause = Annotated[
    str,
    Constraints(
        pattern=(
            r"^(RES|R[1-9][0-9]?) "
            r"(head|title|note|legend|annex [0-9]+|section [0-9]+( note)?"
            r"|[0-9]+(\.[0-9]+)?( note| para [0-9]+)?)$"
        )
    ),
]
"""Any place: also `R3 note`, `R2 section 4 note`, `R3 3 para 2`, `R2 annex 2`."""
ProcessId = Annotated[str, Constraints(pattern=r"^R[1-9][0-9]?-[SP][0-9]{1,2}$")]
MessageId = Annotated[str, Constraints(pattern=r"^RF-[A-Z][0-9]{1,2}$")]
Sentence = Annotated[str, Constraints(strip_whitespace=True, min_length=1)]

_TIME_EXPECTED = "one entry, minutes or working-days, with a whole number above 0"


def _read_time_limit(value: object) -> object:
    """`{working-days: 6}` as the files write it."""
    if isinstance(value, TimeLimit):
        return value
    if isinstance(value, dict) and set(value) == {"amount", "unit"}:
        return value
    units = {unit.value for unit in TimeUnit}
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= units:
        raise ValueError(_TIME_EXPECTED)
    ((unit, amount),) = value.items()
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
        raise ValueError(_TIME_EXPECTED)
    return {"amount": amount, "unit": unit}


def read_not_said(value: object) -> object:
    """`not-said` in a file is `None` in the program."""
    return None if value == "not-said" else value


Within = Annotated[TimeLimit, BeforeValidator(_read_time_limit)]


class Part(BaseModel):
    """What every part of a definition has in common; files write `result-clause`, not `_`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


class Text(Part):
    """One statement in three languages. Kazakh is the law's own wording where it is a quotation."""

    kk: Sentence
    ru: Sentence
    en: Sentence

    def in_language(self, language: Language) -> str:
        """The text in one of the three."""
        return {"kk": self.kk, "ru": self.ru, "en": self.en}[language]


class Cited(Part):
    """A statement and its place in the law."""

    text: Text
    clause: LawClause


CitedOrNotSaid = Annotated[Cited | None, BeforeValidator(read_not_said)]


class Act(Part):
    """An act that made, changed or repealed the regulation. Dates nobody knows stay `unknown`."""

    act: Annotated[str, Constraints(pattern=r"^[0-9]+-[0-9]+$")]
    adopted: date
    effect: kinds.ActEffect
    in_force: date | Literal["unknown"] | None = None
    """The day it comes into force, where the law tells it apart from being put into effect."""
    effective: date | Literal["unknown"]
    effective_rule: kinds.EffectiveRule
    clause: LawClause
    text: Text


class AcceptingChannel(Part):
    """A channel through which applications are taken and results given."""

    channel: Channel
    clause: LawClause
    text: Text


class ServiceForm(Part):
    """The form of the service: electronic and (or) paper."""

    electronic: kinds.ElectronicForm
    paper: bool
    clause: LawClause
    text: Text


class Result(Part):
    """What the service ends in."""

    document: kinds.ResultDocument
    forms: Annotated[tuple[kinds.ResultForm, ...], Field(min_length=1)]
    clause: LawClause
    form_clause: LawClause
    text: Text


class ResultItem(Part):
    """One of the kinds of result that can be asked for."""

    kind: kinds.ResultKind
    document: kinds.ResultDocument
    clause: StepClause
    text: Text


class ElectronicResult(Part):
    """Who certifies an electronic result, and where it goes."""

    signed_by: kinds.Signer
    delivered_to: kinds.InformationSystem
    clause: LawClause
    text: Text


class Ground(Part):
    """A ground to start. Without a channel the law does not tie it to one."""

    ground: kinds.StartGround
    channel: Channel | None = None
    clause: LawClause
    text: Text


class NamedDocument(Part):
    """A paper that the regulation itself names."""

    kind: kinds.DocumentKind
    need: kinds.Need
    when: kinds.DocumentCondition | None = None
    channel: Channel | None = None
    variants: tuple[kinds.DocumentKind, ...] = ()
    clause: LawClause
    text: Text


class Unit(Part):
    """A structural unit (employee) of the provider that takes part.

    `listed: no` marks who acts in a step but is missing from the regulation's own list.
    """

    role: Role
    listed: bool = True
    clause: StepClause
    text: Text


class ProcedureStep(Part):
    """One of the five steps of the office: who does what, in what time, with what result."""

    step: Step
    actor: Role
    within: Within
    clause: StepClause
    action: Text
    result: Text
    result_clause: StepClause
    by: kinds.StepBy
    by_said: kinds.Said


class SumOfSteps(Part):
    """The times of the five steps added up; counted by this program, not stated by the law."""

    minutes: Annotated[int, Field(ge=0)] = 0
    working_days: Annotated[int, Field(ge=0)] = 0


class ChannelProcess(Part):
    """One line of the State Corporation's (R3 9-10) or the portal's (R3 11, R4 8) process."""

    id: ProcessId
    channel: Channel
    kind: kinds.ProcessKind
    number: Annotated[int, Field(gt=0)] | None = None
    """The law's own number: `process 3`, `condition 1`."""
    actor: kinds.Participant
    systems: tuple[kinds.InformationSystem, ...] = ()
    checks: tuple[kinds.Check, ...] = ()
    otherwise: ProcessId | None = None
    """Of a condition: the process that follows when it does not hold."""
    raises: MessageId | None = None
    signed_by: kinds.Signer | None = None
    within: Within | None = None
    clause: StepClause
    text: Text


class RefusalMessage(Part):
    """One of the messages that a refusal branch forms."""

    id: MessageId
    condition: ProcessId
    formed_in: ProcessId
    channel: Channel
    raised_by: kinds.Participant
    raised_by_said: kinds.Said
    reason: kinds.RefusalReason
    refuses: kinds.RefusalKind
    clause: StepClause
    text: Text


class Receiving(Part):
    """The system in which the provider processes an electronic request."""

    system: kinds.ReceivingSystem
    clauses: tuple[StepClause, ...] = ()


class NamedSystem(Part):
    """An information system, register or place that the regulation names."""

    system: kinds.InformationSystem
    clauses: Annotated[tuple[LawClause, ...], Field(min_length=1)]
    text: Text
    used_for: Text


class Annex(Part):
    """An annex: its heading where the text gives one. The drawing is never in the text."""

    number: Annotated[int, Field(gt=0)]
    kind: kinds.AnnexKind
    named_in: LawClause
    heading: Text | None = None
