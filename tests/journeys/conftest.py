"""An office of people in the running system."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.local.system import LocalSystem
from tests.journeys.office import STAFF, WAIT_S, Office


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """One HTTP client for everybody."""
    with httpx.Client(timeout=WAIT_S) as found:
        yield found


@pytest.fixture(scope="session")
def office(running_system: LocalSystem, client: httpx.Client) -> Office:
    """An office whose people are in the directory."""
    found = Office(running_system, "astana-main", client)
    found.open()
    return found


@pytest.fixture(scope="session")
def other_office(running_system: LocalSystem, office: Office) -> Office:
    """A second office of the same department."""
    found = Office(running_system, "astana-second", office.client)
    _open_after(found, office)
    return found


@pytest.fixture(scope="session")
def by_rule(running_system: LocalSystem, office: Office) -> Office:
    """The office in which every step runs without a person."""
    found = Office(running_system, "astana-auto", office.client)
    _open_after(found, office)
    return found


def _open_after(new: Office, first: Office) -> None:
    """Only the first office may open itself: later people are recorded by its administrator."""
    for person, roles in STAFF.items():
        member = {"office": new.name, "roles": roles, "full_name": f"Synthetic {person}"}
        first.ok("routing", "PUT", f"/staff/{new.staff(person)}", "admin", member)
    new.until_read("department-events")
