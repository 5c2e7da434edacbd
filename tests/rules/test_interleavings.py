"""Late, early and repeated facts, people and timers in any order: the case stays one case.

A state machine over the pure functions of all five stages. `QYZMET_INTERLEAVINGS=10000` asks for
more examples than the usual number.
"""

import os
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.executor.commands import DraftNotification, ReassignExecutor, RequestPaper
from services.intake.commands import (
    AddPaper,
    ErasePersonalData,
    RegisterApplication,
    RejectRequest,
    RequestWithdrawal,
)
from services.notify.commands import IssueResult, RecordNotice
from services.routing.commands import AssignExecutor
from services.signing.commands import ReturnNotification, SignNotification
from shared.decider import Command
from shared.events.intake import Document
from shared.identifiers import Source, Step
from tests.rules.samples import NOTIFICATION, PROSTHETICS, SERVICES, Service
from tests.rules.scenario import CASE, HEAD, MANAGEMENT, OFFICE_CLERK, OPERATOR
from tests.rules.world import World

_INCOMPLETE = "incomplete-package-not-accepted"
pytestmark = pytest.mark.timeout(600)

_sources = st.sampled_from(Source)
_choices = st.integers(0, 11)
_few = st.integers(1, 3)


class Interleavings(RuleBasedStateMachine):
    """One case; whoever touches it last is looked at after every step."""

    world: World
    service: Service = PROSTHETICS
    touched: Source = Source.INTAKE

    @initialize(
        service=st.sampled_from(SERVICES),
        by_rule=st.sets(st.sampled_from(Step)),
        complete=st.booleans(),
        until=_sources,
    )
    def somebody_applies(
        self, service: Service, by_rule: set[Step], complete: bool, until: Source
    ) -> None:
        """The case goes straight to one of the stages; what comes after that is up to chance."""
        self.world = World()
        self.service = service
        steps = tuple(step for step in Step if step in by_rule)
        papers = service.documents if complete else service.documents[1:]
        assert self.world.wish(Source.INTAKE, service.lodging(by_rule=steps, documents=papers))
        for _ in Source:
            if self.world.truth.holder is not until:
                self.the_holder_hears_of_the_case_and_is_asked(0)

    @rule(choice=_choices)
    def the_holder_is_asked(self, choice: int) -> None:
        self._ask(self.world.truth.holder, choice)

    @rule(choice=_choices)
    def the_holder_hears_of_the_case_and_is_asked(self, choice: int) -> None:
        path = self.world.truth.path
        if len(path) > 1:
            self.world.publish(path[-2])
            self.world.read(path[-1], len(self.world.log))
        self._ask(self.world.truth.holder, choice)

    @rule(source=_sources, choice=_choices)
    def anybody_is_asked(self, source: Source, choice: int) -> None:
        self._ask(source, choice)

    @precondition(lambda self: not self.world.truth.requests or self.world.truth.turn > 2)
    @rule(in_earnest=st.integers(0, 3))
    def the_applicant_asks_to_withdraw(self, in_earnest: int) -> None:
        if self.world.truth.turn >= in_earnest:
            self.touched = Source.INTAKE
            self.world.wish(Source.INTAKE, RequestWithdrawal(CASE, OFFICE_CLERK))

    @rule()
    def a_paper_comes_in(self) -> None:
        self.touched = Source.INTAKE
        document = Document(kind=self.service.papers[0], state="provided")
        self.world.wish(Source.INTAKE, AddPaper(CASE, OFFICE_CLERK, document))

    @rule(staff=st.sampled_from(["dana", "erlan"]))
    def the_head_changes_the_executor(self, staff: str) -> None:
        self.touched = Source.EXECUTOR
        self.world.wish(Source.EXECUTOR, ReassignExecutor(CASE, HEAD, staff, "leave"))

    @rule()
    def the_signer_gives_the_draft_back(self) -> None:
        self.touched = Source.SIGNING
        self.world.wish(Source.SIGNING, ReturnNotification(CASE, self.service.signer, "again"))

    @rule(source=_sources)
    def a_stage_publishes(self, source: Source) -> None:
        self.world.publish(source)

    @rule(source=_sources, back=_few)
    def a_stage_publishes_twice(self, source: Source, back: int) -> None:
        self.world.publish_again(source, back)

    @rule(source=_sources, most=_few)
    def a_stage_reads(self, source: Source, most: int) -> None:
        self.touched = source
        self.world.read(source, most)

    @rule(source=_sources, back=_few)
    def a_stage_reads_twice(self, source: Source, back: int) -> None:
        self.touched = source
        self.world.read_again(source, back)

    @rule(but=_sources)
    def all_but_one_catch_up(self, but: Source) -> None:
        for source in Source:
            self.world.publish(source)
        for source in Source:
            if source is not but:
                self.world.read(source, len(self.world.log))
                self.world.check_rebuilds(source)

    @rule(source=_sources)
    def a_term_ends(self, source: Source) -> None:
        self.touched = source
        self.world.fire(source)

    @rule(source=_sources)
    def a_stage_is_rebuilt(self, source: Source) -> None:
        self.touched = source
        self.world.rebuild(source)

    @rule(hours=st.sampled_from([1, 24, 24 * 3]))
    def time_passes(self, hours: int) -> None:
        self.world.wait(timedelta(hours=hours))

    @invariant()
    def a_rebuild_gives_the_same_bytes(self) -> None:
        self.world.check_rebuilds(self.touched)

    @invariant()
    def nothing_waits_that_was_called_for(self) -> None:
        self.world.check_nothing_waits(self.touched)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.drain()
        self.world.check_the_end()
        for source in Source:
            self.world.check_rebuilds(source)
            self.world.check_nothing_waits(source)

    def _ask(self, source: Source, choice: int) -> None:
        wishes = self._wishes(source)
        self.touched = source
        self.world.wish(source, wishes[choice % len(wishes)])

    def _wishes(self, source: Source) -> list[Command]:
        signer = self.service.signer
        match source:
            case Source.INTAKE:
                return [
                    *[RegisterApplication(CASE, OFFICE_CLERK)] * 8,
                    RejectRequest(CASE, OFFICE_CLERK, _INCOMPLETE, _INCOMPLETE),
                    ErasePersonalData(CASE, OPERATOR),
                ]
            case Source.ROUTING:
                return [
                    AssignExecutor(CASE, HEAD, "dana"),
                    AssignExecutor(CASE, HEAD, "erlan"),
                ]
            case Source.EXECUTOR:
                return [
                    self._draft("dana", "refused"),
                    self._draft("dana", "granted"),
                    self._draft("erlan", "granted"),
                    self._draft("erlan", "refused"),
                    RequestPaper(CASE, "staff:dana", (self.service.papers[0],)),
                ]
            case Source.SIGNING:
                return [
                    SignNotification(CASE, signer, self.world.last_digest()),
                    SignNotification(CASE, signer, "f" * 64),
                    SignNotification(CASE, MANAGEMENT, self.world.last_digest()),
                ]
            case Source.NOTIFY:
                return [
                    IssueResult(CASE, OFFICE_CLERK, "desk"),
                    RecordNotice(CASE, "rule:notice", "sent"),
                ]

    def _draft(self, staff: str, outcome: Literal["granted", "refused"]) -> DraftNotification:
        ground = "court-ban" if outcome == "refused" else None
        number = len(self.world.recorded)
        words = NOTIFICATION.model_copy(update={"salt": f"salt {number}"})
        return DraftNotification(CASE, f"staff:{staff}", outcome, words, ground)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=int(os.environ.get("QYZMET_INTERLEAVINGS", "200")),
    stateful_step_count=50,
    deadline=None,
    derandomize="QYZMET_INTERLEAVINGS" not in os.environ,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
