"""For `qyzmet procedures list` and `check`: the regulations in rows, and what is wrong in a folder.

`show` draws one regulation: `scheme.draw`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shared.procedures.catalogue import (
    DEFAULT_EDITIONS,
    DEFINITIONS,
    DELETED,
    Catalogue,
    definition_files,
    edited_releases,
    load_definition,
    load_deleted,
    released_digests,
)
from shared.procedures.models import Procedure
from shared.procedures.parts import Language
from shared.procedures.reading import BrokenProcedure
from shared.procedures.wording import CHANNELS, spell


class Standing(StrEnum):
    """Whether applications can be made under a regulation."""

    TAKES_APPLICATIONS = "takes-applications"
    KNOWN = "known"
    """An edition for the cases that were lodged under it."""
    DELETED = "deleted"


@dataclass(frozen=True)
class Row:
    """One regulation in one edition, in a line."""

    procedure: str
    regulation: str
    edition: str
    standing: Standing
    released: bool
    title: str
    channels: str
    whole_term: str
    results: int
    receiving_system: str
    digest: str


class Gravity(StrEnum):
    """How bad a finding is. Only `BROKEN` stops a service."""

    BROKEN = "broken"
    NOTICE = "notice"


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know of a folder of definitions."""

    gravity: Gravity
    file: str
    line: int | None
    item: str
    expected: str
    found: str

    def __str__(self) -> str:
        at = f", line {self.line}" if self.line else ""
        return f"{self.file}{at}: {self.item}: expected {self.expected}; found {self.found}"


def list_rows(
    catalogue: Catalogue,
    editions: Mapping[str, str] | None = None,
    language: Language = "en",
) -> list[Row]:
    """All regulations, the deleted ones too, in the order of the resolution."""
    in_force = DEFAULT_EDITIONS if editions is None else editions
    rows = [
        _row(procedure, catalogue, in_force, language)
        for procedure in catalogue.procedures.values()
    ]
    rows += [
        Row(
            procedure=deleted.procedure,
            regulation=deleted.regulation,
            edition="",
            standing=Standing.DELETED,
            released=False,
            title=deleted.title.in_language(language),
            channels="",
            whole_term="",
            results=0,
            receiving_system="",
            digest="",
        )
        for deleted in catalogue.deleted_regulations.values()
    ]
    return sorted(rows, key=lambda row: (row.regulation, row.edition))


def _row(
    procedure: Procedure, catalogue: Catalogue, in_force: Mapping[str, str], language: Language
) -> Row:
    takes = in_force.get(procedure.procedure) == procedure.edition
    return Row(
        procedure=procedure.procedure,
        regulation=procedure.regulation,
        edition=procedure.edition,
        standing=Standing.TAKES_APPLICATIONS if takes else Standing.KNOWN,
        released=(procedure.procedure, procedure.edition) in catalogue.released,
        title=procedure.title.in_language(language),
        channels=", ".join(
            CHANNELS[item.channel].in_language(language) for item in procedure.channels
        ),
        whole_term=spell(procedure.whole_term, language),
        results=len(procedure.result_kinds),
        receiving_system=procedure.receiving.system.value,
        digest=procedure.digest,
    )


def check(folder: Path | None = None) -> list[Finding]:
    """Everything wrong in the folder's files, all at once; empty when nothing is."""
    root = DEFINITIONS if folder is None else folder
    released = released_digests(root)
    found = [finding for broken in edited_releases(root, released) for finding in _findings(broken)]
    for path in definition_files(root):
        try:
            load_definition(path, root)
        except BrokenProcedure as broken:
            found.extend(_findings(broken))
        name = path.relative_to(root).as_posix()
        if name not in released:
            found.append(
                Finding(Gravity.NOTICE, name, None, "the definition", "a released text", "a draft")
            )
    for path in sorted(root.glob(f"*/{DELETED}")):
        try:
            load_deleted(path, root)
        except BrokenProcedure as broken:
            found.extend(_findings(broken))
    return found


def _findings(broken: BrokenProcedure) -> Iterator[Finding]:
    for fault in broken.faults:
        yield Finding(
            Gravity.BROKEN, broken.file, fault.line, fault.item, fault.expected, fault.found
        )
