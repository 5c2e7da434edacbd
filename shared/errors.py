"""The three ways in which a command can fail, told apart by what must happen next (D17)."""

from enum import StrEnum


class Because(StrEnum):
    """What a rule objects to; HTTP turns each into a status code in one place."""

    INPUT = "input"
    """The request itself is wrong; sending it again unchanged can never succeed."""
    ACTOR = "actor"
    """Somebody else may do this."""
    STATE = "state"
    """The case is not where this can be done."""
    UNKNOWN = "unknown"
    """There is no such case here."""


class Refused(Exception):
    """A rule says no. For the person who asked; never raised towards the log.

    The texts name rules, codes and states. They never carry personal data.
    """

    def __init__(
        self,
        rule: str,
        *,
        expected: str,
        found: str,
        because: Because = Because.STATE,
        clause: str | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(f"{rule}: expected {expected}, found {found}")
        self.rule = rule
        self.expected = expected
        self.found = found
        self.because = because
        self.clause = clause
        self.field = field


class Conflict(Exception):
    """Somebody else wrote first: read again and decide again."""


class Unavailable(Exception):
    """Something this needs is down or behind: wait and repeat, the wish itself may be fine."""

    def __init__(self, what: str, *, retry_after_s: int = 2) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_s = retry_after_s
