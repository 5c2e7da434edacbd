"""The people without whom no case can run: an administrator, an office specialist, executors."""

import time
from http import HTTPStatus

import httpx

from tests.load.applications import PROCEDURE

OFFICE = "bench-office"
ADMINISTRATOR = "bench-administrator"
SPECIALIST = "bench-specialist"
EXECUTORS = ("bench-aigul", "bench-bolat", "bench-dana", "bench-erlan", "bench-gulnar")
STEPS = ("register", "assign", "draft", "sign", "issue")
AUTOMATION = {PROCEDURE: STEPS}
"""Every step by rule."""
KNOWN_WITHIN_S = 60.0


def set_up(routing: str, issuer: str) -> None:
    """Write them into the staff directory."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        token = _token(client, issuer, ADMINISTRATOR, ["administrator"])
        staff = {
            ADMINISTRATOR: ["administrator"],
            SPECIALIST: ["office-specialist"],
            **{name: ["responsible-executor"] for name in EXECUTORS},
        }
        for name, roles in staff.items():
            answer = client.put(
                f"{routing}/staff/{name}",
                headers={"Authorization": f"Bearer {token}"},
                json={"office": OFFICE, "roles": roles, "full_name": f"Synthetic {name}"},
            )
            answer.raise_for_status()


def specialist_token(issuer: str) -> str:
    """Who hands the applications in; good for an hour."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        return _token(client, issuer, SPECIALIST, ["office-specialist"])


def wait_known(intake: str, token: str, body: bytes) -> str:
    """Lodge one batch until intake has heard of the specialist; the case it became.

    Raises TimeoutError with intake's last answer.
    """
    deadline = time.monotonic() + KNOWN_WITHIN_S
    last = "nothing"
    with httpx.Client(timeout=30, trust_env=False) as client:
        while time.monotonic() < deadline:
            answer = client.post(
                f"{intake}/applications/batch",
                content=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            last = answer.text[:1000]
            if answer.status_code == HTTPStatus.OK:
                first = answer.json()["answers"][0]
                if first["status"] in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
                    return str(first["case_id"])
            time.sleep(0.2)
    raise TimeoutError(f"intake takes no application: {last}")


def _token(client: httpx.Client, issuer: str, staff: str, roles: list[str]) -> str:
    answer = client.post(
        f"{issuer}/tokens", json={"staff": staff, "office": OFFICE, "roles": roles}
    )
    answer.raise_for_status()
    return str(answer.json()["token"])
