"""What staff do in a case, each as one request with their own token."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol

from services.casebook.cli.demo import people
from services.casebook.cli.demo.people import Member
from services.casebook.cli.exits import Failure, Problem
from services.casebook.cli.service import Parameter, Person, Reply, Services

PAPERS: Final[Mapping[str, tuple[str, ...]]] = {
    "prosthetic-aid": (
        "application",
        "disability-certificate",
        "identity-document",
        "rehabilitation-programme",
    ),
    "home-education": (
        "application",
        "bank-account",
        "disability-certificate",
        "identity-document",
        "pmpk-conclusion",
        "residence-registration",
        "school-certificate",
    ),
    "employment-referral": ("identity-document",),
}
_FOLLOWS_WITHIN_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1
_KNOWN_WITHIN_S: Final = 20.0
_FACTS_MAX: Final = 200
"""A page of a timeline: no story is longer."""
"""How long a stage may take to read of new staff."""


class Unexpected(Failure):
    """The system did something else than the story says."""


class Teller(Protocol):
    """Shows what happens."""

    def fact(self, case_id: str, fact: Mapping[str, Any]) -> None: ...

    def refused(self, who: str, problem: Problem) -> None: ...


@dataclass
class Play:
    """One applicant, one case, and the people who work on it."""

    services: Services
    teller: Teller
    key: str
    """What the idempotency keys of this case begin with."""
    applicant: dict[str, object]
    specialist: Member = people.SPECIALIST
    head: Member = people.HEAD
    executor: Member = people.EXECUTORS[0]
    staff_is_new: bool = False
    """Recorded a moment ago: a stage that has not read of it yet is asked again."""
    case_id: str = ""
    position: str | None = None
    facts: list[dict[str, Any]] = field(default_factory=list)
    _acts: int = 0
    _is_patient: bool = field(init=False)

    def __post_init__(self) -> None:
        self._is_patient = self.staff_is_new

    # ---- intake ---------------------------------------------------------------------------------

    def lodge(
        self,
        procedure: str,
        *,
        result_kind: str | None = None,
        papers: Sequence[str] | None = None,
        notice: str | None = None,
    ) -> None:
        """Papers are handed in at the office."""
        given = PAPERS[procedure] if papers is None and procedure in PAPERS else papers or ()
        body = {
            "procedure": procedure,
            "result_kind": result_kind,
            "applicant": self.applicant,
            "documents": [{"kind": kind, "state": "provided"} for kind in given],
            "notice": notice,
            "synthetic": True,
        }
        reply = self._ask("POST", "intake", "/applications", self.specialist.person, body)
        if reply.body["repeated"]:
            raise Unexpected("this seed was used already: choose another with --seed")
        self.case_id = reply.body["case_id"]
        self.tell()

    def register(self) -> None:
        """The office registers the papers."""
        self._act("PUT", "intake", "registration", self.specialist, {})

    def reject(self, message: str) -> None:
        """The office does not take the application."""
        self._act(
            "PUT", "intake", "rejection", self.specialist, {"message": message, "check": message}
        )

    def add_paper(self, kind: str) -> None:
        """A further paper comes in."""
        self._act("POST", "intake", "papers", self.specialist, {"kind": kind, "state": "provided"})

    def withdraw(self, reason: str) -> None:
        """The applicant asks to withdraw; whoever holds the case answers."""
        self._act("POST", "intake", "withdrawal", self.specialist, {"reason": reason})

    # ---- routing, executor, signing, notify -----------------------------------------------------

    def assign(self, instruction: str | None = None) -> None:
        """The head names the responsible executor."""
        choice = {"executor": self.executor.person.staff, "instruction": instruction}
        self._act("PUT", "routing", "executor", self.head, choice)

    def reassign(self, executor: Member, reason: str) -> None:
        """The head gives the case to another executor."""
        choice = {"executor": executor.person.staff, "reason": reason}
        self._act("PUT", "executor", "executor", self.head, choice)
        self.executor = executor

    def ask_for_papers(self, *papers: str) -> None:
        """The executor asks the applicant for papers."""
        self._act("POST", "executor", "wanted-papers", self.executor, {"papers": papers})

    def draft(self, text: str, ground: str | None = None) -> None:
        """The executor draws up the result: granted, or refused on a ground."""
        outcome = "granted" if ground is None else "refused"
        draft = {"outcome": outcome, "ground": ground, "text": text, "facts": {"demo": "yes"}}
        self._act("PUT", "executor", "draft", self.executor, draft)

    def sign(self, signer: Member | None = None) -> None:
        """The head, or the management, signs what was drawn up."""
        self._act("PUT", "signing", "signature", signer or self.head, {"digest": self._digest()})

    def give_back(self, remark: str, signer: Member | None = None) -> None:
        """The signer gives the draft back."""
        self._act("POST", "signing", "return", signer or self.head, {"remark": remark})

    def issue(self, way: str) -> None:
        """The office registers the result and issues it."""
        self._act("PUT", "notify", "result", self.specialist, {"way": way})

    # ---- what came of it ------------------------------------------------------------------------

    def is_refused(self, rule: str, act: Callable[[], object], who: Member) -> None:
        """The act is refused by this rule, and shown. Raises Unexpected."""
        try:
            self._is_patient = False
            act()
        except Problem as problem:
            self.teller.refused(who.person.staff, problem)
            if problem.rule != rule:
                raise Unexpected(f"refused by another rule than '{rule}'") from problem
            return
        finally:
            self._is_patient = self.staff_is_new
        raise Unexpected(f"was not refused, though '{rule}'")

    def follow(self, state: str) -> None:
        """Show what happens until the case is in a state. Raises Unexpected."""
        until = time.monotonic() + _FOLLOWS_WITHIN_S
        while (found := self.standing()["state"]) != state:
            self.tell()
            if time.monotonic() > until:
                raise Unexpected(f"is {found} and not {state} after {_FOLLOWS_WITHIN_S:g} s")
            time.sleep(_LOOK_EVERY_S)
        self.tell()

    def follow_fact(self, name: str) -> None:
        """Show what happens until a fact of this name is told. Raises Unexpected."""
        until = time.monotonic() + _FOLLOWS_WITHIN_S
        while not any(f".{name}." in fact["type"] for fact in self.facts):
            if time.monotonic() > until:
                raise Unexpected(f"no {name} after {_FOLLOWS_WITHIN_S:g} s")
            time.sleep(_LOOK_EVERY_S)
            self.tell()

    def standing(self) -> dict[str, Any]:
        """The case as casebook shows it now."""
        found = self.services.get(
            "casebook", f"/cases/{self.case_id}", people.OPERATOR.person, min_position=self.position
        )
        case: dict[str, Any] = found["case"]
        return case

    def tell(self) -> None:
        """Show the facts that are new."""
        page = self.services.get(
            "casebook",
            f"/cases/{self.case_id}/timeline",
            people.OPERATOR.person,
            limit=_FACTS_MAX,
            min_position=self.position,
        )
        for fact in page["facts"][len(self.facts) :]:
            self.facts.append(fact)
            self.teller.fact(self.case_id, fact)
            self.position = _later(self.position, fact["position"])

    def _digest(self) -> str:
        drafts = [fact for fact in self.facts if "notification-drafted" in fact["type"]]
        if not drafts:
            raise Unexpected("nothing was drawn up that could be signed")
        return str(drafts[-1]["said"]["digest"])

    def _act(
        self, method: str, service: str, what: str, who: Member, body: Mapping[str, object]
    ) -> None:
        path = f"/cases/{self.case_id}/{what}"
        takes_position = what not in ("rejection", "withdrawal")
        query = {"min_position": self.position} if takes_position else None
        self._ask(method, service, path, who.person, body, query)
        self.tell()

    def _ask(
        self,
        method: str,
        service: str,
        path: str,
        who: Person,
        body: Mapping[str, object],
        query: Mapping[str, Parameter] | None = None,
    ) -> Reply:
        """One request under a key of its own, until its event stands in the log."""
        self._acts += 1
        key, until = f"{self.key}-{self._acts}", time.monotonic() + _KNOWN_WITHIN_S
        while True:
            try:
                reply = self.services.ask(
                    method, service, path, who, body=body, key=key, query=query
                )
            except Problem as problem:
                is_early = self._is_patient and problem.code == HTTPStatus.FORBIDDEN
                if not is_early or time.monotonic() > until:
                    raise
            else:
                if reply.code != HTTPStatus.ACCEPTED:
                    self.position = _later(self.position, reply.position)
                    return reply
            time.sleep(_LOOK_EVERY_S)


def _later(one: str | None, other: str | None) -> str | None:
    """All facts of a case are in one partition, so the later offset is the later fact."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda position: int(position.partition(":")[2]))
