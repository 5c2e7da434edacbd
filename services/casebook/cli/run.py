"""What a run of a command has at hand: the screen, the settings, the services, who is asking."""

from dataclasses import dataclass, field

import typer

from services.casebook.cli.screen import Screen
from services.casebook.cli.service import Person, Services
from services.casebook.cli.settings import ClientSettings
from shared.hindsight import RuleBook
from shared.identifiers import Role

OFFICE = "astana-main"
"""The office of whoever asks in a local run, unless another is named."""


@dataclass(frozen=True)
class Run:
    """Made once, from the global options; commands find it in their context."""

    screen: Screen
    token: str | None
    rules: RuleBook = field(default_factory=RuleBook)
    """Of all stages, for `replay`: casebook knows none, who starts the program hands them in."""

    def settings(self) -> ClientSettings:
        """Read when a command needs them: `--help` and `procedures` work without a system."""
        return ClientSettings()

    def services(self) -> Services:
        """A client for the services."""
        return Services(self.settings(), self.screen.say, self.token)


def run_of(context: typer.Context) -> Run:
    """The run that a command belongs to."""
    found = context.find_object(Run)
    if found is None:
        raise RuntimeError("the global options were not read")
    return found


def operator() -> Person:
    """Who runs the system, as the demo's directory calls them."""
    return Person("demo-operator", OFFICE, (Role.OPERATOR,))


def specialist(staff: str, office: str) -> Person:
    """Who takes applications in."""
    return Person(staff, office, (Role.OFFICE_SPECIALIST,))


def opener(staff: str, office: str) -> Person:
    """Who opens what is sealed; the directory says in which of these roles, if in any."""
    roles = (
        Role.OFFICE_SPECIALIST, Role.RESPONSIBLE_EXECUTOR, Role.HEAD, Role.MANAGEMENT,
    )  # fmt: skip
    return Person(staff, office, roles)


def person(name: str | None) -> Person:
    """Who is named as STAFF@OFFICE, as an office specialist; the operator when nobody is."""
    return operator() if name is None else specialist(*named(name))


def named(text: str) -> tuple[str, str]:
    """Staff and office out of STAFF@OFFICE."""
    staff, _, office = text.partition("@")
    return staff, office or OFFICE
