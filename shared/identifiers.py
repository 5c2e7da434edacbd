"""The names of things: cases, people, offices, clauses, and how each is written.

Every text type here is constrained to a closed alphabet. That is what lets the contract test
tell a code from free text: free text must be sealed (architecture D11).
"""

from enum import StrEnum
from functools import lru_cache
from typing import Annotated, NewType
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto
from pydantic import StringConstraints

CaseId = NewType("CaseId", UUID)
EventId = NewType("EventId", UUID)
ApplicantRef = NewType("ApplicantRef", UUID)

Code = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-]{0,63}$")]
Edition = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
StaffId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9\-]{1,40}$")]
OfficeId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9\-]{1,40}$")]
Clause = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,4}[0-9]? [0-9][0-9a-z.\-]{0,20}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RegistrationNumber = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}-[0-9]{4}(-[0-9A-Z]{4}){3}(/[0-9]+)?$")
]

DEPARTMENT = CaseId(UUID("00000000-0000-7000-8000-000000000001"))
"""The department is one long case of its own: staff, absences, who acts for the head."""


class Source(StrEnum):
    """The services that own facts; each is also a possible holder of a case."""

    INTAKE = "intake"
    ROUTING = "routing"
    EXECUTOR = "executor"
    SIGNING = "signing"
    NOTIFY = "notify"


class Role(StrEnum):
    """Who a member of staff is to the regulations (R2 6, R3 7, R4 6), and two roles of the shop."""

    OFFICE_SPECIALIST = "office-specialist"
    HEAD = "head"
    MANAGEMENT = "management"
    RESPONSIBLE_EXECUTOR = "responsible-executor"
    OPERATOR = "operator"
    """Runs the system: parked cases, erasure. Outside the resolution."""
    ADMINISTRATOR = "administrator"
    """Keeps the staff directory. Outside the resolution."""


class Channel(StrEnum):
    """Where an application comes in (R2 1, R3 1, R4 1)."""

    OFFICE = "office"
    STATE_CORPORATION = "state-corporation"
    PORTAL = "portal"


class Step(StrEnum):
    """The five steps that the office clauses of all three regulations share (R2 5, R3 5, R4 5)."""

    REGISTER = "register"
    ASSIGN = "assign"
    DRAFT = "draft"
    SIGN = "sign"
    ISSUE = "issue"


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@lru_cache(maxsize=16_384)
def uuid_of(text: str) -> UUID:
    """The UUID of a text. Each is read many times: a case's, once in each of its records.

    It is the database driver's UUID, as rows bring it (ADR 0032).

    Raises:
        ValueError: it is none.
    """
    return pgproto.UUID(text)


def rare_uuid_of(text: str) -> UUID:
    """The same of a text that is met once, as an event's: it pushes none out that are met often."""
    return pgproto.UUID(text)


def new_id() -> UUID:
    """A UUIDv7: unique, and ordered by the millisecond it was made in."""
    return pgproto.UUID(uuid_utils.uuid7().bytes)


def registration_number(case_id: UUID, prefix: str, year: int) -> str:
    """The number under which the office registers a case: `HE-2026-7K4M-2Q9X-3PDA`.

    It is computed from 60 random bits of the case id, so that no counter has to survive a
    restore: a counter from an older backup would give numbers out a second time.
    """
    bits = case_id.int & ((1 << 60) - 1)
    letters = "".join(_CROCKFORD[(bits >> (5 * place)) & 31] for place in range(11, -1, -1))
    return f"{prefix}-{year:04d}-{letters[:4]}-{letters[4:8]}-{letters[8:]}"
