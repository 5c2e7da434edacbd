"""What is asked of casebook in a body: who and what must never stand in an address."""

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.types import StringConstraints

from services.casebook.answers import State
from services.casebook.naming import TEXT_MAX
from shared.clock import DEPARTMENT_ZONE
from shared.errors import Because, Refused
from shared.identifiers import Code, OfficeId, RegistrationNumber, Source, StaffId

Iin = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]

_LOOKS_LIKE: Final = str.maketrans("АВЕКМНОРСТХУ", "ABEKMHOPCTXY")
_BLANKS: Final = re.compile(r"\s+")


def typed_number(text: object) -> object:
    """A number as a person typed it: any case, blanks, Cyrillic letters that look like Latin."""
    if not isinstance(text, str):
        return text
    return _BLANKS.sub("", text).upper().translate(_LOOKS_LIKE)


TypedNumber = Annotated[RegistrationNumber, BeforeValidator(typed_number)]


class ApplicantQuestion(BaseModel):
    """Whose cases: by IIN or by reference. In a body, since addresses are logged everywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iin: Iin | None = None
    applicant: UUID | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.iin is None) == (self.applicant is None):
            raise ValueError("either an IIN or a reference")
        return self


class CaseQuestion(BaseModel):
    """Which cases: everything that is given must fit. Days are the city's, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: TypedNumber | None = None
    """Of the registration, or of the result."""
    iin: Iin | None = None
    applicant: UUID | None = None
    name: Annotated[str, Field(min_length=1, max_length=TEXT_MAX)] | None = None
    """Words, each of which begins a word of the applicant's name. For staff of the office."""
    state: State | Literal["open", "over"] | None = None
    stage: Source | None = None
    """The stage that holds the case now; of open cases only."""
    procedure: Code | None = None
    executor: StaffId | None = None
    office: OfficeId | None = None
    overdue: bool = False
    """Only those that are late now."""
    first_day: date | None = None
    """Lodged on this day or later."""
    last_day: date | None = None
    order: Literal["newest", "due"] = "newest"
    """`due`: open cases only, the most urgent first."""


class Period(BaseModel):
    """Days of the city, both included; without one of them it has no bound there."""

    model_config = ConfigDict(frozen=True)

    first_day: date | None = None
    last_day: date | None = None

    @property
    def begins(self) -> datetime | None:
        """Its first instant."""
        return None if self.first_day is None else _midnight(self.first_day)

    @property
    def ends(self) -> datetime | None:
        """The first instant behind it."""
        return None if self.last_day is None else _midnight(self.last_day + timedelta(days=1))

    def checked(self) -> Self:
        """This period. Raises Refused when it ends before it begins, or is not of our time."""
        days = [day for day in (self.first_day, self.last_day) if day is not None]
        if any(not _FIRST_YEAR <= day.year <= _LAST_YEAR for day in days) or days != sorted(days):
            raise Refused(
                "a period has its days in order",
                expected=f"a first and a last day, from {_FIRST_YEAR} to {_LAST_YEAR}",
                found="others",
                because=Because.INPUT,
                field="first_day",
            )
        return self


_FIRST_YEAR, _LAST_YEAR = 1900, 9000


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, DEPARTMENT_ZONE)
