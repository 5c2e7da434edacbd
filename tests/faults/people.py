"""The made-up people of a run: staff in two offices, and applicants with well-formed numbers."""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from shared.identifiers import Role
from shared.iin import make_synthetic_iin

BY_STAFF, BY_RULE = "astana", "astana-auto"
_FIRST_BIRTH = date(1960, 1, 1)
_SERIALS = 5_000

PAPERS: Mapping[str, tuple[str, ...]] = {
    "employment-referral": ("identity-document",),
    "home-education": (
        "application",
        "identity-document",
        "residence-registration",
        "pmpk-conclusion",
        "disability-certificate",
        "school-certificate",
        "bank-account",
    ),
    "prosthetic-aid": (
        "application",
        "identity-document",
        "disability-certificate",
        "rehabilitation-programme",
    ),
}
RESULTS: Mapping[str, str] = {
    "employment-referral": "public-works",
    "home-education": "assignment-of-benefit",
    "prosthetic-aid": "registration-of-documents",
}
SIGNERS: Mapping[str, str] = {
    "employment-referral": "saule",
    "home-education": "saule",
    "prosthetic-aid": "marat",
}


@dataclass(frozen=True)
class Staff:
    """Somebody who acts."""

    name: str
    office: str
    role: Role


STAFF = (
    Staff("admin", BY_STAFF, Role.ADMINISTRATOR),
    Staff("gulnar", BY_STAFF, Role.OFFICE_SPECIALIST),
    Staff("saule", BY_STAFF, Role.HEAD),
    Staff("marat", BY_STAFF, Role.MANAGEMENT),
    Staff("aigul", BY_STAFF, Role.RESPONSIBLE_EXECUTOR),
    Staff("bolat", BY_STAFF, Role.RESPONSIBLE_EXECUTOR),
    Staff("timur", BY_STAFF, Role.OPERATOR),
    Staff("zhanar", BY_RULE, Role.OFFICE_SPECIALIST),
    Staff("dana", BY_RULE, Role.RESPONSIBLE_EXECUTOR),
    Staff("erlan", BY_RULE, Role.RESPONSIBLE_EXECUTOR),
)
BY_NAME = {one.name: one for one in STAFF}


def dice(seed: int, *purpose: object) -> random.Random:
    """Chance that a seed repeats; apart for each purpose, so that one draw shifts no other."""
    return random.Random(f"{seed} {purpose}")


def applicants() -> Iterator[dict[str, str]]:
    """People without end, no two with one number."""
    for day in itertools.count():
        birth = _FIRST_BIRTH + timedelta(days=day % 14_000)
        for serial in range(_SERIALS):
            iin = make_synthetic_iin(birth, male=bool(serial % 2), serial=serial)
            if iin is not None:
                yield {
                    "iin": iin,
                    "surname": "Сынақов",
                    "given_name": "Арман",
                    "phone": f"+7701{serial:07d}",
                }


def application(
    procedure: str, applicant: Mapping[str, str], *, notice: bool = False
) -> dict[str, object]:
    """A complete application as a client sends it."""
    return {
        "procedure": procedure,
        "result_kind": RESULTS[procedure],
        "applicant": dict(applicant),
        "documents": [{"kind": kind, "state": "provided"} for kind in PAPERS[procedure]],
        "notice": "sms" if notice else None,
        "synthetic": True,
    }
