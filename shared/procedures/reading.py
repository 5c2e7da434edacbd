"""From a YAML file to a plain tree that knows its line numbers, and from errors to plain words.

A file is for jurists: at most three levels, no anchors, no repeated entries; a date stays text.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

DEEPEST = 3
_SHOWN = 80

Plain = str | int | bool | list["Plain"] | dict[str, "Plain"]
Place = tuple[str | int, ...]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The compiled loader where the library has it: the same tree, ten times faster."""

_SECTIONS = {
    "steps": ("step", "step"),
    "processes": ("process", "id"),
    "refusal-messages": ("refusal message", "id"),
    "channels": ("channel", "channel"),
    "units": ("unit", "role"),
    "result-kinds": ("kind of result", "kind"),
    "documents": ("document", "kind"),
    "grounds": ("ground", "ground"),
    "systems": ("system", "system"),
    "annexes": ("annex", "number"),
    "acts": ("act", "act"),
    "notes": ("note", "clause"),
    "sources": ("source", "id"),
    "form-fields": ("form field", "field"),
    "hours": ("hours", "place"),
    "terms": ("term", "term"),
    "rules": ("rule", "rule"),
    "readings": ("reading", "reading"),
    "not-found": ("not found", "what"),
}
_FIELDS = {"within": "time limit", "kk": "Kazakh text", "ru": "Russian text", "en": "English text"}
_EXPECTED_BY_FIELD = {
    "clause": 'a clause such as "R3 5.2"',
    "named-in": 'a clause such as "R3 8"',
    "clauses": 'clauses such as "R3 5.2"',
    "edition": "a date such as 2016-08-25",
    "regulation": "a part of the resolution such as R3",
    "act": "a number of an act such as 158-2150",
    "source": "the id of a source such as L1, assumption or decision",
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a file, in words that its author can act on."""

    line: int | None
    item: str
    expected: str
    found: str

    def __str__(self) -> str:
        at = f"line {self.line}: " if self.line else ""
        return f"{at}{self.item}: expected {self.expected}; found {self.found}"


class BrokenProcedure(Exception):
    """A definition file cannot be used. Names the file and everything wrong in it."""

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(f"{file}, {fault}" for fault in faults))
        self.file = file
        self.faults = faults


@dataclass(frozen=True)
class Tree:
    """What a file says, and where."""

    file: str
    data: dict[str, Plain]
    lines: dict[Place, int]

    def fault(self, place: Place, expected: str, found: str) -> Fault:
        """A fault at a place, with its line and a name for the item."""
        return Fault(self._line(place), self._item(place), expected, found)

    def broken(self, faults: list[Fault]) -> BrokenProcedure:
        """The error that refuses this file."""
        return BrokenProcedure(self.file, tuple(faults))

    def known(self, place: Place) -> Place:
        """The part of a place that the file really has (pydantic adds words of its own)."""
        while place and place not in self.lines:
            place = place[:-1]
        return place

    def _line(self, place: Place) -> int | None:
        return self.lines.get(self.known(place))

    def _item(self, place: Place) -> str:
        if not place:
            return "the file"
        words: list[str] = []
        match place:
            case (str(section), int(index), *rest):
                words.append(self._entry(section, index))
            case _:
                rest = list(place)
        words += [_FIELDS.get(word, word.replace("-", " ")) for word in map(str, rest)]
        return ", ".join(words)

    def _entry(self, section: str, index: int) -> str:
        noun, key = _SECTIONS.get(section, (f"{section}, entry", ""))
        entries = self.data.get(section)
        if isinstance(entries, list) and index < len(entries):
            entry = entries[index]
            if isinstance(entry, dict) and key in entry:
                return f"{noun} '{entry[key]}'"
        return f"{noun} number {index + 1}"


def read_tree(path: Path, file: str) -> Tree:
    """The file's tree; raises `BrokenProcedure` where it is no YAML of the allowed kind."""
    try:
        text = path.read_bytes().decode("utf-8")
        node = yaml.compose(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        fault = Fault(None, "the file", "text in UTF-8", f"other bytes at {error.start}")
        raise BrokenProcedure(file, (fault,)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        fault = Fault(line, "the file", "readable YAML", str(error.problem))
        raise BrokenProcedure(file, (fault,)) from error
    builder = _Builder()
    data = builder.build(node, (), 0) if node is not None else ""
    if not isinstance(data, dict):
        builder.faults.append(Fault(1, "the file", "entries such as `procedure: ...`", "none"))
        data = {}
    if builder.faults:
        raise BrokenProcedure(file, tuple(builder.faults))
    return Tree(file, data, builder.lines)


class _Builder:
    """Turns YAML nodes into plain values, remembering where each stood."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.faults: list[Fault] = []
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, place: Place, depth: int) -> Plain:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if id(node) in self._seen:
            at, item = self.lines[place], ", ".join(map(str, place))
            self.faults.append(Fault(at, item, "the text itself", "a pointer to another place"))
            return ""
        self._seen.add(id(node))
        match node:
            case yaml.MappingNode():
                return self._mapping(node, place, depth + 1)
            case yaml.SequenceNode():
                return [
                    self.build(entry, (*place, index), depth)
                    for index, entry in enumerate(node.value)
                ]
            case _:
                return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> Plain:
        if depth > DEEPEST:
            line = node.start_mark.line + 1
            item = ", ".join(str(word) for word in place)
            self.faults.append(Fault(line, item, f"at most {DEEPEST} levels", f"{depth}"))
        data: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in data:
                self.faults.append(Fault(line, f"'{key}'", "each entry once", "it again"))
            self.lines[(*place, key)] = line
            data[key] = self.build(value_node, (*place, key), depth)
        return data


def _scalar(node: yaml.Node) -> Plain:
    text = str(node.value)
    if node.tag == "tag:yaml.org,2002:int" and text.isdigit():
        return int(text)
    if node.tag == "tag:yaml.org,2002:bool":
        return text.lower() in {"yes", "true", "on"}
    return text


def faults_of(error: ValidationError, tree: Tree) -> list[Fault]:
    """The model's objections, one for each place, in plain words."""
    seen: dict[Hashable, Fault] = {}
    for detail in error.errors():
        place = _place(detail, tree)
        seen.setdefault(place, tree.fault(place, _expected(detail, place), _found(detail)))
    return list(seen.values())


def _place(detail: ErrorDetails, tree: Tree) -> Place:
    if detail["type"] == "missing":
        return (*tree.known(detail["loc"][:-1]), detail["loc"][-1])
    return tree.known(detail["loc"])


def _expected(detail: ErrorDetails, place: Place) -> str:
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind in {"enum", "literal_error"}:
        return f"one of {context['expected']}"
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"])
    plain = {"missing": "this entry", "extra_forbidden": "no such entry"}.get(kind)
    if kind == "string_too_short":
        plain = "a text"
    return plain or _nearest_field(place) or detail["msg"][0].lower() + detail["msg"][1:]


def _nearest_field(place: Place) -> str | None:
    for word in reversed(place):
        if isinstance(word, str):
            key = "clause" if word.endswith("clause") else word
            return _EXPECTED_BY_FIELD.get(key)
    return None


def _found(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "nothing"
    return shown(detail["input"])


def shown(value: object) -> str:
    """A value as its author wrote it, shortened."""
    if isinstance(value, dict):
        text = ", ".join(f"{key}: {entry}" for key, entry in value.items())
        return "{" + _shortened(text) + "}"
    return f"'{_shortened(str(value))}'"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def entries(tree: Tree, section: str) -> Iterator[tuple[Place, dict[str, Plain]]]:
    """The mappings of a section, with their places."""
    found = tree.data.get(section, [])
    if isinstance(found, list):
        for index, entry in enumerate(found):
            if isinstance(entry, dict):
                yield (section, index), entry
