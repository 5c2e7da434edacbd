"""The regulations, loaded and checked: what may be asked for, and what is answered where none is.

Reads the definition files once, at the start of a service; a broken or edited file stops it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from shared.procedures import cross_checks, outside_checks
from shared.procedures.models import DeletedRegulation, Procedure
from shared.procedures.outside import Outside
from shared.procedures.reading import BrokenProcedure, Fault, Tree, faults_of, read_tree

DEFINITIONS = Path(__file__).parent / "definitions"
RELEASED = "released.sha256"
"""Digests of the released files, one `digest  path` a line, as sha256sum writes them."""
DELETED = "deleted.yaml"
OUTSIDE_SUFFIX = ".outside.yaml"

DEFAULT_EDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "prosthetic-aid": "2016-08-25",
        "home-education": "2016-08-25",
        "employment-referral": "2017-12-12",
    }
)
"""Which editions take applications unless the department says otherwise. Configuration, not law:
the resolution was repealed in 2020 and the dates of its editions are not known."""


class UnknownProcedure(LookupError):
    """Nobody has heard of this procedure, or of this edition of it."""

    def __init__(self, procedure: str, edition: str | None, known: tuple[str, ...]) -> None:
        what = f"procedure '{procedure}'" + (f", edition {edition}" if edition else "")
        super().__init__(f"{what}: expected one of {', '.join(known) or 'none'}")
        self.procedure = procedure
        self.edition = edition
        self.known = known


class NotInForce(UnknownProcedure):
    """The procedure is known, but no edition of it takes applications now."""


class DeletedProcedure(LookupError):
    """The resolution once had this regulation and deleted it: there is nothing to run."""

    def __init__(self, deleted: DeletedRegulation) -> None:
        super().__init__(f"{deleted.procedure}: {deleted.meaning.en} ({deleted.clause})")
        self.deleted = deleted
        self.procedure = deleted.procedure
        self.clause = deleted.clause


@dataclass(frozen=True)
class Catalogue:
    """All regulations that the program knows, each by (procedure, edition)."""

    procedures: Mapping[tuple[str, str], Procedure]
    outsides: Mapping[tuple[str, str], Outside]
    deleted_regulations: Mapping[str, DeletedRegulation]
    released: frozenset[tuple[str, str]]

    def procedure(self, procedure: str, edition: str) -> Procedure:
        """One edition, in force or not: a case keeps the edition it was lodged under."""
        found = self.procedures.get((procedure, edition))
        if found is None:
            raise self._unknown(procedure, edition)
        return found

    def outside(self, procedure: str, edition: str) -> Outside:
        """What the resolution does not contain: papers, form, grounds for refusal, hours."""
        found = self.outsides.get((procedure, edition))
        if found is None:
            raise self._unknown(procedure, edition)
        return found

    def in_force(self, procedure: str, editions: Mapping[str, str] | None = None) -> Procedure:
        """The edition that takes applications now, as the configuration says."""
        chosen = DEFAULT_EDITIONS if editions is None else editions
        edition = chosen.get(procedure)
        if edition is not None:
            return self.procedure(procedure, edition)
        if self.editions(procedure):
            raise NotInForce(procedure, None, tuple(sorted(chosen)))
        raise self._unknown(procedure, None)

    def deleted(self, procedure: str) -> DeletedRegulation:
        """The deleted regulation of this name."""
        found = self.deleted_regulations.get(procedure)
        if found is None:
            raise UnknownProcedure(procedure, None, tuple(sorted(self.deleted_regulations)))
        return found

    def editions(self, procedure: str) -> tuple[str, ...]:
        """The known editions, oldest first."""
        return tuple(sorted(edition for name, edition in self.procedures if name == procedure))

    def _unknown(self, procedure: str, edition: str | None) -> LookupError:
        if procedure in self.deleted_regulations:
            return DeletedProcedure(self.deleted_regulations[procedure])
        editions = self.editions(procedure)
        known = editions or tuple(sorted({name for name, _ in self.procedures}))
        return UnknownProcedure(procedure, edition, known)


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """Everything in the folder; raises `BrokenProcedure` at the first file that cannot be used."""
    root = DEFINITIONS if folder is None else folder
    released = released_digests(root)
    for broken in edited_releases(root, released):
        raise broken
    procedures: dict[tuple[str, str], Procedure] = {}
    outsides: dict[tuple[str, str], Outside] = {}
    for path in definition_files(root):
        found, outside = load_definition(path, root)
        procedures[found.procedure, found.edition] = found
        outsides[found.procedure, found.edition] = outside
    deleted = [load_deleted(path, root) for path in sorted(root.glob(f"*/{DELETED}"))]
    return Catalogue(
        procedures=MappingProxyType(procedures),
        outsides=MappingProxyType(outsides),
        deleted_regulations=MappingProxyType({found.procedure: found for found in deleted}),
        released=frozenset(key for key in procedures if f"{key[0]}/{key[1]}.yaml" in released),
    )


def definition_files(root: Path) -> list[Path]:
    """The definitions of the folder: not the files beside them, not the deleted ones."""
    return [
        path
        for path in sorted(root.glob("*/*.yaml"))
        if path.name != DELETED and not path.name.endswith(OUTSIDE_SUFFIX)
    ]


def load_definition(path: Path, root: Path) -> tuple[Procedure, Outside]:
    """One definition with the file beside it."""
    tree = read_tree(path, _shown(path, root))
    try:
        procedure = Procedure.model_validate(_with_digest(tree, path))
    except ValidationError as error:
        raise tree.broken(faults_of(error, tree)) from error
    faults = [*_name_faults(procedure, path, tree), *cross_checks.faults_in(procedure, tree)]
    if faults:
        raise tree.broken(faults)
    return procedure, _load_outside(path, root, procedure)


def load_deleted(path: Path, root: Path) -> DeletedRegulation:
    """The note of a deleted regulation."""
    tree = read_tree(path, _shown(path, root))
    try:
        deleted = DeletedRegulation.model_validate(tree.data)
    except ValidationError as error:
        raise tree.broken(faults_of(error, tree)) from error
    if deleted.procedure != path.parent.name:
        place = ("procedure",)
        fault = tree.fault(place, f"the folder's name, '{path.parent.name}'", deleted.procedure)
        raise tree.broken([fault])
    return deleted


def released_digests(root: Path) -> dict[str, str]:
    """Path and digest of each released file; empty for a folder without releases."""
    listing = root / RELEASED
    if not listing.exists():
        return {}
    lines = listing.read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split() for line in lines if line.strip())}


def edited_releases(root: Path, released: Mapping[str, str]) -> Iterator[BrokenProcedure]:
    """Released files that are gone or no longer what they were: a changed law is a new file."""
    for name, digest in sorted(released.items()):
        path = root / name
        found = digest_of(path) if path.exists() else "no file"
        if found != digest:
            expected = f"the released text, unedited (sha256 {digest}); a change is a new edition"
            yield BrokenProcedure(name, (Fault(None, "the released file", expected, found),))


def digest_of(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _load_outside(path: Path, root: Path, procedure: Procedure) -> Outside:
    beside = path.with_name(path.stem + OUTSIDE_SUFFIX)
    if not beside.exists():
        fault = Fault(None, "the file beside the definition", beside.name, "no file")
        raise BrokenProcedure(_shown(path, root), (fault,))
    tree = read_tree(beside, _shown(beside, root))
    try:
        outside = Outside.model_validate(_with_digest(tree, beside))
    except ValidationError as error:
        raise tree.broken(faults_of(error, tree)) from error
    faults = outside_checks.faults_in(outside, procedure, tree)
    if faults:
        raise tree.broken(faults)
    return outside


def _with_digest(tree: Tree, path: Path) -> dict[str, object]:
    if "digest" in tree.data:
        fault = tree.fault(("digest",), "no such entry (it is computed)", "one")
        raise tree.broken([fault])
    return {**tree.data, "digest": digest_of(path)}


def _name_faults(procedure: Procedure, path: Path, tree: Tree) -> Iterator[Fault]:
    if procedure.procedure != path.parent.name:
        expected = f"the folder's name, '{path.parent.name}'"
        yield tree.fault(("procedure",), expected, f"'{procedure.procedure}'")
    if procedure.edition != path.stem:
        expected = f"the file's name, '{path.stem}'"
        yield tree.fault(("edition",), expected, f"'{procedure.edition}'")


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
