"""How a command ends: exit codes that a script can rely on, and failures in words."""

from collections.abc import Mapping
from enum import IntEnum


class Status(IntEnum):
    """The exit code. Interrupted commands end with 130, as shells expect it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DIFFERENCES = 3
    PARTIAL = 4
    INTERRUPTED = 130


class Failure(Exception):
    """A command cannot do what it was asked; the text says why and what to do."""

    def __init__(self, text: str, status: Status = Status.FAILED) -> None:
        super().__init__(text)
        self.status = status


class Problem(Failure):
    """A service said no, with the problem it answered (RFC 9457)."""

    def __init__(self, service: str, told: Mapping[str, object], code: int) -> None:
        self.told = told
        self.code = code
        super().__init__(described(service, told, code))

    @property
    def rule(self) -> str | None:
        """The rule that said no, if one did."""
        found = self.told.get("rule")
        return found if isinstance(found, str) else None


def described(service: str, told: Mapping[str, object], code: int) -> str:
    """A problem in a few lines: the rule, what it expected and found, the clause."""
    lines = [f"{service} said no ({code}): {told.get('rule') or told.get('title') or 'no reason'}"]
    for name in ("expected", "found", "clause", "field", "failing", "error_id"):
        if told.get(name) is not None:
            lines.append(f"  {name:9} {told[name]}")
    if told.get("rule") is None and told.get("detail") is not None:
        lines.append(f"  {told['detail']}")
    errors = told.get("errors")
    if isinstance(errors, list):
        lines += [f"  {error.get('field')}: {error.get('message')}" for error in errors]
    return "\n".join(lines)
