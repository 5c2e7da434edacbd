"""The demo's staff directory: recorded once, completed when something is missing."""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from services.casebook.cli.demo import people
from services.casebook.cli.exits import Failure
from services.casebook.cli.screen import Screen
from services.casebook.cli.service import Services

_SEEN_WITHIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.1


def record_staff(services: Services, screen: Screen) -> int:
    """Record who is missing, and who is away today; how many entries were made.

    Raises:
        Problem: the directory belongs to others, who have another administrator.
    """
    administrator = people.ADMINISTRATOR.person
    known = _known(services)
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
    made += _record_absence(services)
    if made:
        _wait_until_seen(services)
    return made


def _record_absence(services: Services) -> int:
    """The head of one office is away today, and somebody acts for them."""
    administrator, head = people.ADMINISTRATOR.person, people.NORTH_HEAD.person
    today = str(_today(services))
    days = {"first_day": today, "last_day": today}
    away = services.ask(
        "POST",
        "routing",
        f"/staff/{head.staff}/absences",
        administrator,
        body={**days, "reason": "business-trip"},
    )
    deputy = people.NORTH_DEPUTY.person
    named = {"role": "head", "office": deputy.office, "staff": deputy.staff, **days}
    acting = services.ask("POST", "routing", "/acting", administrator, body=named)
    return sum(not reply.body["repeated"] for reply in (away, acting))


def _today(services: Services) -> date:
    """The day in the city, as casebook tells it."""
    answer = services.get("casebook", "/directory", people.ADMINISTRATOR.person)
    return date.fromisoformat(answer["day"])


def _known(services: Services) -> dict[str, Mapping[str, Any]]:
    answer = services.get("casebook", "/directory", people.ADMINISTRATOR.person)
    return {member["staff"]: member for member in answer["staff"]}


def _is_recorded(known: Mapping[str, Any] | None, member: people.Member) -> bool:
    if known is None or not known["active"] or known["office"] != member.person.office:
        return False
    return known["away"] or set(member.person.roles) <= set(known["roles"])


def _wait_until_seen(services: Services) -> None:
    until = time.monotonic() + _SEEN_WITHIN_S
    while True:
        known = _known(services)
        is_away = known.get(people.NORTH_HEAD.person.staff, {}).get("away", False)
        if is_away and all(_is_recorded(known.get(m.person.staff), m) for m in people.STAFF):
            return
        if time.monotonic() > until:
            raise Failure("casebook does not show the staff that was recorded")
        time.sleep(_LOOK_EVERY_S)
