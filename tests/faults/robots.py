"""The staff of a run: cases worked by hand from lodging to issue, and batches that need nobody."""

import asyncio
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deploy.local.system import LocalSystem
from tests.faults.clients import Clients, Command, Declined
from tests.faults.history import Told
from tests.faults.people import BY_NAME, SIGNERS, STAFF, application
from tests.faults.stand import read_by_all

PROCEDURES = ("employment-referral", "home-education", "prosthetic-aid")
STRAIGHT = ("employment-referral", "home-education")
_OVER = "the case runs"
_TOO_LATE = (_OVER, "only the holder of a case decides on it")


async def opened(clients: Clients, system: LocalSystem) -> None:
    """Everybody is in the directory, and every service has read it: work may begin."""
    hired: Told | None = None
    for one in STAFF:
        body = {"office": one.office, "roles": [one.role], "full_name": one.name.title()}
        path = f"/staff/{one.name}"
        hired = await clients.tell(Command("routing", "PUT", path, body, _key("hire"), "admin"))
    assert hired is not None
    assert hired.position is not None
    await read_by_all(system, "department-events", 0, int(hired.position.partition(":")[2]))


async def lodge_straight(
    clients: Clients, people: Iterator[dict[str, str]], rng: random.Random, count: int
) -> None:
    """A batch of applications that rules take to the end; some applicants want to be told."""
    items = [
        (
            _key("app"),
            application(rng.choice(STRAIGHT), next(people), notice=rng.random() < 0.3),
        )
        for _ in range(count)
    ]
    await clients.batch("zhanar", items)


@dataclass
class CaseWork:
    """One case, worked by staff. Some applicants withdraw at some moment, some drafts go back."""

    clients: Clients
    rng: random.Random
    applicant: dict[str, str]
    pause_max_s: float = 1.0
    procedure: str = ""
    case_id: str = ""
    position: str | None = None
    withdrawing: bool = False
    """The applicant has asked to withdraw: from now on any command may come too late."""
    steps: list[str] = field(default_factory=list)

    async def run(self, *, withdraws: bool, returned: bool) -> None:
        """From lodging to the end."""
        self.procedure = self.rng.choice(PROCEDURES)
        wanted = application(self.procedure, self.applicant, notice=self.rng.random() < 0.5)
        lodged = await self.clients.tell(
            Command("intake", "POST", "/applications", wanted, _key("app"), "gulnar", lodges=True)
        )
        self.case_id, self.position = lodged.case_id, lodged.position
        async with asyncio.TaskGroup() as group:
            if withdraws:
                group.create_task(self._withdraw())
            group.create_task(self._work(returned=returned))

    async def _work(self, *, returned: bool) -> None:
        executor = self.rng.choice(("aigul", "bolat"))
        signer = SIGNERS[self.procedure]
        try:
            await self._step("intake", "PUT", "registration", None, "gulnar")
            await self._step("routing", "PUT", "executor", {"executor": executor}, "saule")
            await self._draft(executor)
            if returned:
                remark = {"remark": "Please state the sum in words."}
                await self._step("signing", "POST", "return", remark, signer)
                await self._draft(executor)
            signed = {"digest": await self._digest(signer)}
            await self._step("signing", "PUT", "signature", signed, signer)
            await self._step("notify", "PUT", "result", {"way": "desk"}, "gulnar")
        except Declined as declined:
            if not (self.withdrawing and declined.problem.get("rule") in _TOO_LATE):
                raise AssertionError(f"{self.case_id} after {self.steps}: {declined}") from None

    async def _withdraw(self) -> None:
        """At some moment; whether it comes in time is for the holder to say."""
        await self.clients.pause(self.pause_max_s * self.rng.uniform(0, 6))
        self.withdrawing = True
        path = f"/cases/{self.case_id}/withdrawal"
        try:
            await self.clients.tell(Command("intake", "POST", path, {}, _key("wish"), "gulnar"))
        except Declined as declined:
            if declined.problem.get("rule") != _OVER:
                raise AssertionError(f"{self.case_id}: {declined}") from None

    async def _draft(self, executor: str) -> None:
        draft = {"outcome": "granted", "text": "The service is granted."}
        await self._step("executor", "PUT", "draft", draft, executor)

    async def _digest(self, signer: str) -> object:
        """Of the draft as the signer is shown it."""
        assert self.position is not None
        path = f"/cases/{self.case_id}/timeline"
        found = await self.clients.read("casebook", path, signer, self.position)
        drafts = [fact for fact in found["facts"] if "notification-drafted" in fact["type"]]
        return drafts[-1]["said"]["digest"]

    async def _step(self, source: str, method: str, what: str, body: Any, staff: str) -> None:
        await self.clients.pause(self.pause_max_s * self.rng.random())
        path = f"/cases/{self.case_id}/{what}"
        command = Command(source, method, path, body, _key(what), staff, self.position)
        told = await self.clients.tell(command)
        self.position = told.position
        self.steps.append(f"{what} by {BY_NAME[staff].name}")


def _key(of: str) -> str:
    return f"{of}-{uuid.uuid4()}"
