"""What the clients were told: every answer to every attempt, by the request's key."""

from dataclasses import dataclass, field

ACKNOWLEDGED = (200, 201, 202)


@dataclass(frozen=True)
class Told:
    """One answer that said: it is done."""

    source: str
    status: int
    case_id: str
    sequence: int
    position: str | None


@dataclass
class Application:
    """One application, under one key, however often it was sent."""

    key: str
    """As the envelope has it: the first half of `ce_idempotencykey`."""
    attempts: int = 0
    unsure: int = 0
    """Attempts without an answer: they may have been done or not."""
    told: list[Told] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Somebody was told that it is in."""
        return bool(self.told)

    @property
    def surely_not_recorded(self) -> bool:
        """Every attempt was answered, and each answer said: not recorded."""
        return not self.told and not self.unsure


@dataclass
class History:
    """Of one run, of all clients together."""

    applications: dict[str, Application] = field(default_factory=dict)
    answers: list[Told] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Answers that nobody should ever get, in words."""

    def application(self, key: str) -> Application:
        """The record of an application, begun if need be."""
        return self.applications.setdefault(key, Application(key))

    def note(self, key: str | None, told: Told) -> None:
        """Somebody was told that it is done."""
        self.answers.append(told)
        if key is not None:
            self.application(key).told.append(told)
