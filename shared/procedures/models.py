"""A regulation as the program sees it: what the catalogue gives, and how to ask it."""

from datetime import date
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.identifiers import Channel, Digest, Edition, Step
from shared.procedures import kinds
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.parts import (
    AcceptingChannel,
    Act,
    Annex,
    ChannelProcess,
    Cited,
    CitedOrNotSaid,
    ElectronicResult,
    Ground,
    LawClause,
    NamedDocument,
    NamedSystem,
    Part,
    ProcedureId,
    ProcedureStep,
    Receiving,
    RefusalMessage,
    Regulation,
    Result,
    ResultItem,
    ServiceForm,
    SumOfSteps,
    Text,
    Unit,
    read_not_said,
)


def _real_date(value: str) -> str:
    date.fromisoformat(value)
    return value


class Procedure(Part):
    """A regulated state service in one edition."""

    procedure: ProcedureId
    regulation: Regulation
    edition: Annotated[Edition, AfterValidator(_real_date)]
    edition_means: Text
    title: Text
    short_title: Text
    provider: Cited
    standard: Cited
    recipients: CitedOrNotSaid
    free_of_charge: CitedOrNotSaid
    acts: Annotated[tuple[Act, ...], Field(min_length=1)]
    channels: Annotated[tuple[AcceptingChannel, ...], Field(min_length=1)]
    form: ServiceForm
    result: Result
    result_kinds: Annotated[tuple[ResultItem, ...], Field(min_length=1)]
    electronic_result: Annotated[ElectronicResult | None, BeforeValidator(read_not_said)]
    grounds: Annotated[tuple[Ground, ...], Field(min_length=1)]
    documents: Annotated[tuple[NamedDocument, ...], Field(min_length=1)]
    units: Annotated[tuple[Unit, ...], Field(min_length=1)]
    steps: tuple[ProcedureStep, ...]
    sum_of_steps: SumOfSteps
    process_word: Text | None = None
    """What the regulation calls its processes: үдеріс in R3, процесс in R4."""
    processes: tuple[ChannelProcess, ...] = ()
    refusal_messages: tuple[RefusalMessage, ...] = ()
    receiving: Receiving
    systems: tuple[NamedSystem, ...]
    publication: Cited
    annexes: tuple[Annex, ...]
    legend: Cited
    notes: tuple[Cited, ...]
    digest: Digest
    """SHA-256 of the file's bytes; the loader puts it in."""

    @property
    def id(self) -> str:
        """The name by which cases know their procedure."""
        return self.procedure

    @property
    def whole_term(self) -> TimeLimit:
        """The steps together, as a person would be told: the working days, or the minutes.

        The quarter of an hour of registration comes before the first of the working days.
        """
        if self.sum_of_steps.working_days:
            return TimeLimit(amount=self.sum_of_steps.working_days, unit=TimeUnit.WORKING_DAYS)
        return TimeLimit(amount=self.sum_of_steps.minutes, unit=TimeUnit.MINUTES)

    def __hash__(self) -> int:
        """By the file's bytes: so what follows from a procedure alone is worked out once."""
        return hash(self.digest)

    def step(self, step: Step) -> ProcedureStep:
        """One of the five; the loader has made sure that all are there."""
        return self._by_step[step]

    @cached_property
    def _by_step(self) -> dict[Step, ProcedureStep]:
        return {found.step: found for found in self.steps}

    def accepts(self, channel: Channel) -> bool:
        """Whether applications come in through this channel."""
        return any(found.channel is channel for found in self.channels)

    def gives(self, kind: kinds.ResultKind) -> bool:
        """Whether this kind of result can be asked for."""
        return any(found.kind is kind for found in self.result_kinds)

    def processes_of(self, channel: Channel) -> tuple[ChannelProcess, ...]:
        """The channel's own process, in the order of the law; the office has none."""
        return tuple(found for found in self.processes if found.channel is channel)

    def message(self, message_id: str) -> RefusalMessage:
        """A refusal message by its id; `KeyError` where this procedure has no such message."""
        for found in self.refusal_messages:
            if found.id == message_id:
                return found
        raise KeyError(f"{self.procedure}: no refusal message {message_id}")

    def message_when_fails(self, channel: Channel, check: kinds.Check) -> RefusalMessage | None:
        """What the law has the recipient told when a check of a channel fails; often nothing."""
        for found in self.refusal_messages:
            if found.channel is channel and check in self.process(found.condition).checks:
                return found
        return None

    def process(self, process_id: str) -> ChannelProcess:
        """A line of a channel process by its id."""
        for found in self.processes:
            if found.id == process_id:
                return found
        raise KeyError(f"{self.procedure}: no process {process_id}")


class DeletedRegulation(Part):
    """A regulation that the resolution once had and later deleted; its text is not known."""

    procedure: ProcedureId
    regulation: Regulation
    title: Text
    text_known: Literal[False]
    acts: Annotated[tuple[Act, ...], Field(min_length=1)]
    clause: LawClause
    meaning: Text
