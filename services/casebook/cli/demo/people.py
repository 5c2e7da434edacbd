"""The demo's people, all made up and marked so: staff of three offices, applicants of a run."""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from services.casebook.cli.run import OFFICE
from services.casebook.cli.service import Person
from shared.identifiers import Role
from shared.iin import make_synthetic_iin

MAIN: Final = OFFICE
NORTH: Final = "astana-north"
"""Where the head is away and somebody acts for them."""
AUTO: Final = "astana-auto"
"""Where rules do what they may: the local run is configured so."""
_SERIALS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the demo's directory; the name says that nobody is meant."""

    person: Person
    name: str


def _member(staff: str, office: str, name: str, *roles: Role) -> Member:
    return Member(Person(f"demo-{staff}", office, roles), f"{name} (synthetic)")


ADMINISTRATOR: Final = _member("administrator", MAIN, "Дана Ахметова", Role.ADMINISTRATOR)
OPERATOR: Final = _member("operator", MAIN, "Тимур Сапаров", Role.OPERATOR)
SPECIALIST: Final = _member("specialist", MAIN, "Әсел Нұрланова", Role.OFFICE_SPECIALIST)
HEAD: Final = _member("head", MAIN, "Ерлан Қасымов", Role.HEAD)
MANAGEMENT: Final = _member("management", MAIN, "Сәуле Омарова", Role.MANAGEMENT)
EXECUTORS: Final = (
    _member("executor-1", MAIN, "Айгүл Бекова", Role.RESPONSIBLE_EXECUTOR),
    _member("executor-2", MAIN, "Болат Жүнісов", Role.RESPONSIBLE_EXECUTOR),
    _member("executor-3", MAIN, "Гүлнар Сейітова", Role.RESPONSIBLE_EXECUTOR),
)
NORTH_SPECIALIST: Final = _member("north-specialist", NORTH, "Жанар Әлиева", Role.OFFICE_SPECIALIST)
NORTH_HEAD: Final = _member("north-head", NORTH, "Қанат Ибраев", Role.HEAD)
NORTH_DEPUTY: Final = _member("north-deputy", NORTH, "Мәдина Оспанова", Role.MANAGEMENT)
NORTH_ACTING: Final = _member("north-deputy", NORTH, "Мәдина Оспанова", Role.MANAGEMENT, Role.HEAD)
"""The deputy while they act for the head: the token says so, and the directory grants it."""
NORTH_EXECUTOR: Final = _member(
    "north-executor", NORTH, "Нұржан Тілеуов", Role.RESPONSIBLE_EXECUTOR
)
AUTO_SPECIALIST: Final = _member("auto-specialist", AUTO, "Оралбек Төлеген", Role.OFFICE_SPECIALIST)
AUTO_EXECUTOR: Final = _member("auto-executor", AUTO, "Раушан Үсенова", Role.RESPONSIBLE_EXECUTOR)

STAFF: Final = (
    ADMINISTRATOR,
    OPERATOR,
    SPECIALIST,
    HEAD,
    MANAGEMENT,
    *EXECUTORS,
    NORTH_SPECIALIST,
    NORTH_HEAD,
    NORTH_DEPUTY,
    NORTH_EXECUTOR,
    AUTO_SPECIALIST,
    AUTO_EXECUTOR,
)
"""The administrator first: into an empty directory the first entry is made by rule."""

_SURNAMES: Final = ("Сынақов", "Үлгібаев", "Мысалов", "Жасандыев")
_GIVEN: Final = ("Асан", "Үсен", "Бота", "Дәмелі")


def applicants(seed: int, number: int) -> list[dict[str, object]]:
    """So many people of a run: other seeds give other people."""
    chance = random.Random(seed)
    found: dict[str, dict[str, object]] = {}
    while len(found) < number:
        person = _applicant(chance)
        if person is not None:
            found[str(person["iin"])] = person
    return list(found.values())


def _applicant(chance: random.Random) -> dict[str, object] | None:
    born = date(1965, 1, 1) + timedelta(days=chance.randrange(40 * 365))
    iin = make_synthetic_iin(
        born, male=chance.choice((True, False)), serial=chance.randrange(_SERIALS)
    )
    if iin is None:
        return None
    return {
        "iin": iin,
        "surname": chance.choice(_SURNAMES),
        "given_name": chance.choice(_GIVEN),
        "birth_date": born.isoformat(),
        "phone": f"+7000{chance.randrange(10**7):07}",
        "email": f"synthetic-{chance.randrange(10**6)}@example.invalid",
        "language": "kk",
    }
