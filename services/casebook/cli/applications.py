"""Files of applications: a JSON array, JSON lines or CSV, each line on its own.

What is wrong with one line is that line's fault; the others go on. No fault quotes what it found:
it may be a person's.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.casebook.cli.exits import Failure, Status

_PLAIN: Final = ("procedure", "result_kind", "channel", "notice", "synthetic")
_APPLICANT: Final = (
    "iin", "surname", "given_name", "patronymic", "birth_date", "phone", "email", "address",
    "language",
)  # fmt: skip
_PAPERS: Final = {"documents": "provided", "missing": "missing"}
"""Columns that list kinds of papers, with blanks between."""
_FORM: Final = "form."
_TRUE: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class _BadLine(Exception):
    """Why a line is no application."""


@dataclass(frozen=True, slots=True)
class Line:
    """One application of a file, or why the line is none."""

    file: str
    number: int
    """As an editor counts lines; of an array, the place of the item."""
    application: Mapping[str, Any] | None
    key: str = ""
    """The same for the same content, so that a repeated submit changes nothing."""
    fault: str | None = None


def lines_of(path: Path, text: str, again: str = "") -> list[Line]:
    """All lines of a file's text. `again` makes other keys of the same content.

    Raises:
        Failure: the file as a whole cannot be read.
    """
    found: list[Line] = []
    seen: Counter[str] = Counter()
    for number, item in _items(path, text):
        if isinstance(item, _BadLine):
            found.append(Line(path.name, number, None, fault=str(item)))
            continue
        written = json.dumps(item, sort_keys=True, separators=(",", ":"))
        seen[written] += 1
        told = f"{written}\0{seen[written]}\0{again}".encode()
        key = f"submit-{hashlib.sha256(told).hexdigest()}"
        found.append(Line(path.name, number, item, key))
    return found


def _items(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | _BadLine]]:
    first = text.lstrip("\ufeff \t\r\n")[:1]
    if path.suffix.lower() == ".csv" or first not in ("[", "{"):
        return _csv(path, text)
    return _array(path, text) if first == "[" else _json_lines(text)


def _array(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | _BadLine]]:
    try:
        items = json.loads(text.lstrip("\ufeff"))
    except ValueError as error:
        raise Failure(f"{path.name}: not JSON: {_where(error)}", Status.USAGE) from None
    for number, item in enumerate(items, start=1):
        yield number, item if isinstance(item, dict) else _BadLine("not an object")


def _json_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any] | _BadLine]]:
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            yield number, _BadLine(f"not JSON: {_where(error)}")
            continue
        yield number, item if isinstance(item, dict) else _BadLine("not an object")


def _where(error: ValueError) -> str:
    """The decoder's complaint without a word of the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}, column {error.colno}"
    return "it cannot be read"


def _csv(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | _BadLine]]:
    head = text.lstrip("\ufeff").partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    _only_known_columns(path, reader.fieldnames or ())
    for row in reader:
        try:
            yield reader.line_num, _application(row)
        except _BadLine as bad:
            yield reader.line_num, bad


def _only_known_columns(path: Path, columns: Iterable[str]) -> None:
    known = (*_PLAIN, *_APPLICANT, *_PAPERS)
    unknown = [name for name in columns if name not in known and not name.startswith(_FORM)]
    if unknown or "procedure" not in columns:
        wrong = f"unknown columns: {len(unknown)}" if unknown else "no column 'procedure'"
        raise Failure(
            f"{path.name}: {wrong}; expected a head line with some of: {', '.join(known)},"
            f" {_FORM}<field>",
            Status.USAGE,
        )


def _application(row: Mapping[str | None, Any]) -> Mapping[str, Any]:
    if None in row:
        raise _BadLine("more values than columns")
    given = {name: value.strip() for name, value in row.items() if name and value}
    found: dict[str, Any] = {name: given[name] for name in _PLAIN if given.get(name)}
    if "synthetic" in found:
        if found["synthetic"].lower() not in _TRUE:
            raise _BadLine("synthetic: expected true or false")
        found["synthetic"] = _TRUE[found["synthetic"].lower()]
    applicant: dict[str, Any] = {name: given[name] for name in _APPLICANT if given.get(name)}
    form = {name[len(_FORM) :]: text for name, text in given.items() if name.startswith(_FORM)}
    if form:
        applicant["form"] = form
    documents = [
        {"kind": kind, "state": state}
        for column, state in _PAPERS.items()
        for kind in given.get(column, "").split()
    ]
    return {**found, "applicant": applicant, "documents": documents}
