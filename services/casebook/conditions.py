"""The conditions of a list, as SQL: only those that are asked for.

A statement for all cases (`$1 IS NULL OR office = $1`) would keep the planner from using an index
once it plans for any parameter.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Conditions:
    """What must hold of a row, and the values, which never become part of the SQL."""

    texts: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def must(self, text: str, *values: object) -> None:
        """One more condition; each `{}` in it stands for a value."""
        self.texts.append(text.format(*(self.parameter(value) for value in values)))

    def may(self, text: str, value: object | None) -> None:
        """A condition that counts only when there is a value."""
        if value is not None:
            self.must(text, value)

    def parameter(self, value: object) -> str:
        """A value's name in the SQL."""
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def where(self) -> str:
        """All of them."""
        return " AND ".join(self.texts) or "true"
