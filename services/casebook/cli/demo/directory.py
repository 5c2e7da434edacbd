"""The demo's staff directory: recorded once, completed when something is missing."""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from services.casebook.cli.demo import people
from services.casebook.cli.exits import Failure
from services.casebook.cli.paged import PAGE_MAX
from services.casebook.cli.screen import Screen
from services.casebook.cli.service import Person, Services
from shared.identifiers import Role

_SEEN_WITHIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.1


def record_staff(services: Services, screen: Screen) -> int:
    """Record who is missing, and who is away today; how many entries were made.

    Raises:
        Problem: the token that the user gave is not of an administrator.
    """
    known = _known(services)
    administrator = _keeper(known)
    made = 0
    for member in people.STAFF:
        person = member.person
        if _is_recorded(known.get(person.staff), member):
            continue
        body = {"office": person.office, "roles": person.roles, "full_name": member.name}
        path = f"/staff/{person.staff}"
        services.ask("PUT", "routing", path, administrator, body=body)
        screen.say(f"recorded {person.staff} of {person.office}: {', '.join(person.roles)}")
        made += 1
    if not _is_arranged(known):
        _record_absence(services, administrator)
        made += 2
    if made:
        _wait_until_seen(services)
    return made


def _keeper(known: Mapping[str, Mapping[str, Any]]) -> Person:
    """Who may write in the directory: the demo's administrator, or the one who is there already."""
    others = (
        Person(staff, member["office"], (Role.ADMINISTRATOR,))
        for staff, member in sorted(known.items())
        if Role.ADMINISTRATOR in member["roles"]
    )
    ours = people.ADMINISTRATOR.person
    return ours if ours.staff in known else next(others, ours)


def _record_absence(services: Services, administrator: Person) -> None:
    """The head of one office is away today, and somebody acts for them."""
    head = people.NORTH_HEAD.person
    deputy = people.NORTH_DEPUTY.person
    today = str(_today(services))
    days = {"first_day": today, "last_day": today}
    away = {**days, "reason": "business-trip"}
    services.ask("POST", "routing", f"/staff/{head.staff}/absences", administrator, body=away)
    named = {"role": "head", "office": deputy.office, "staff": deputy.staff, **days}
    services.ask("POST", "routing", "/acting", administrator, body=named)


def _is_arranged(known: Mapping[str, Mapping[str, Any]]) -> bool:
    head, deputy = people.NORTH_HEAD.person.staff, people.NORTH_DEPUTY.person.staff
    if head not in known or deputy not in known:
        return False
    return bool(known[head]["away"]) and Role.HEAD in known[deputy]["roles"]


def _today(services: Services) -> date:
    """The day in the city, as casebook tells it."""
    answer = services.get("casebook", "/directory", people.ADMINISTRATOR.person)
    return date.fromisoformat(answer["day"])


def _known(services: Services) -> dict[str, Mapping[str, Any]]:
    known: dict[str, Mapping[str, Any]] = {}
    after: str | None = None
    while True:
        page = services.get(
            "casebook", "/directory", people.ADMINISTRATOR.person, limit=PAGE_MAX, after=after
        )
        known |= {member["staff"]: member for member in page["staff"]}
        after = page["next"]
        if after is None:
            return known


def _is_recorded(known: Mapping[str, Any] | None, member: people.Member) -> bool:
    if known is None or not known["active"] or known["office"] != member.person.office:
        return False
    return known["away"] or set(member.person.roles) <= set(known["roles"])


def _wait_until_seen(services: Services) -> None:
    until = time.monotonic() + _SEEN_WITHIN_S
    while True:
        known = _known(services)
        if _is_arranged(known) and all(
            _is_recorded(known.get(m.person.staff), m) for m in people.STAFF
        ):
            return
        if time.monotonic() > until:
            raise Failure("casebook does not show the staff that was recorded")
        time.sleep(_LOOK_EVERY_S)
