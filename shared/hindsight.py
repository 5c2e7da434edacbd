"""From a fact that was told back to the wish behind it: what an audit needs to decide it again.

Each stage has a `hindsight.py` beside its rules, the inverse of its commands. A fact says nearly
all that its command said, since what matters is recorded. What a fact does not say is never made
up: `Recalled.open` names the fields that then cannot be judged, `Unknowable` the facts that cannot.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from shared.decider import Decider
from shared.events.envelope import Fact
from shared.events.event import private_of
from shared.events.holder import (
    CaseWithdrawn,
    ParkedResolved,
    StageOverdue,
    WithdrawalDeclined,
)
from shared.holding import HolderCommand, MarkOverdue, ResolveParked, WithdrawCase
from shared.identifiers import DEPARTMENT, CaseId, Source
from shared.state import State

C = TypeVar("C")
S = TypeVar("S", bound=State)

STAND_IN: Final = "a text"
"""Stands for a sealed text where a rule asks only whether there is one: the log says there is."""


class Unknowable(Exception):
    """A fact cannot be decided again; the text says why."""


@dataclass(frozen=True, slots=True)
class Recalled(Generic[C]):
    """The wish behind a fact, and what the log does not tell of it: by field of the fact, why.

    `open` fields cannot be judged. Of `possible` fields it can be judged only whether they could be
    so: with the open cases of executors that favour them, `loads`.
    """

    command: C
    open: Mapping[str, str] = field(default_factory=dict)
    possible: Mapping[str, str] = field(default_factory=dict)
    loads: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules(Generic[C, S]):
    """A stage's pure functions and their inverse, as the audit takes them."""

    decider: Decider[C, S]
    recall: Callable[[Fact, S], Recalled[C]]


AnyRules = Rules[Any, Any]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules of all stages, and those of the department's own case."""

    stages: Mapping[Source, AnyRules] = field(default_factory=dict)
    department: AnyRules | None = None

    def of(self, case_id: CaseId, source: Source) -> AnyRules:
        """Whose rules a fact of `source` followed. Raises Unknowable."""
        if case_id == DEPARTMENT and source is Source.ROUTING:
            found = self.department
        else:
            found = self.stages.get(source)
        if found is None:
            raise Unknowable(f"the rules of {source.value} are not here")
        return found


def recall_as_holder(fact: Fact) -> Recalled[HolderCommand]:
    """The wishes that every stage knows. Raises Unknowable for all other facts."""
    case_id, actor = fact.envelope.case_id, fact.envelope.actor
    match fact.event:
        case StageOverdue(step=step, due=due):
            return Recalled(MarkOverdue(case_id, actor, step, due.at))
        case CaseWithdrawn() | WithdrawalDeclined():
            return Recalled(WithdrawCase(case_id, actor))
        case ParkedResolved() as event:
            return Recalled(
                ResolveParked(
                    case_id=case_id,
                    actor=actor,
                    partition=event.partition,
                    offset=event.offset,
                    how=event.how,
                    reason=STAND_IN,
                    record=event.record,
                    passed=event.passed,
                )
            )
        case _:
            raise Unknowable("no rule of this build tells such a fact")


def text_of(fact: Fact) -> str | None:
    """What stands for the sealed text of a fact; None when there was none."""
    return None if private_of(fact.event) is None else STAND_IN
