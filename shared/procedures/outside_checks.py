"""What the file beside a definition must fulfil: it belongs to it, and every item has a source."""

from collections.abc import Iterator

from shared.procedures.cross_checks import conditions_of_documents, unique
from shared.procedures.kinds import Confidence
from shared.procedures.models import Procedure
from shared.procedures.outside import GroundForRefusal, Outside
from shared.procedures.reading import Fault, Tree, entries

_SOURCED = ("documents", "form-fields", "grounds", "hours", "terms", "rules", "readings")


def faults_in(outside: Outside, procedure: Procedure, tree: Tree) -> list[Fault]:
    """Everything in which the file contradicts itself or the definition beside it."""
    papers = [f"{item.kind.value}, {item.period}" for item in outside.documents]
    return [
        *_belongs(outside, procedure, tree),
        *_sources(outside, tree),
        *_assumptions(tree),
        *_five_grounds(outside, tree),
        *conditions_of_documents(tree),
        *unique(tree, "documents", papers),
        *unique(tree, "form-fields", [item.field.value for item in outside.form_fields]),
        *unique(tree, "sources", [item.id for item in outside.sources]),
    ]


def _belongs(outside: Outside, procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    for entry, expected, found in (
        ("procedure", procedure.procedure, outside.procedure),
        ("regulation", procedure.regulation, outside.regulation),
        ("edition", procedure.edition, outside.edition),
    ):
        if expected != found:
            yield tree.fault((entry,), f"'{expected}', as in the definition", f"'{found}'")


def _sources(outside: Outside, tree: Tree) -> Iterator[Fault]:
    listed = {source.id for source in outside.sources}
    for section in _SOURCED:
        for place, entry in entries(tree, section):
            if entry.get("source") not in listed:
                yield tree.fault(
                    (*place, "source"), "a source listed under `sources`", f"'{entry['source']}'"
                )


def _assumptions(tree: Tree) -> Iterator[Fault]:
    """An assumption is never shown as better known than it is."""
    for section in _SOURCED:
        for place, entry in entries(tree, section):
            confidence = entry.get("confidence", Confidence.D.value)
            if entry.get("source") == "assumption" and confidence != Confidence.D.value:
                yield tree.fault((*place, "confidence"), "D for what is assumed", f"'{confidence}'")


def _five_grounds(outside: Outside, tree: Tree) -> Iterator[Fault]:
    expected = [ground.value for ground in GroundForRefusal]
    found = [item.ground.value for item in outside.grounds]
    if found != expected:
        yield tree.fault(
            ("grounds",),
            f"the five grounds of the law, {', '.join(expected)}",
            ", ".join(found) or "none",
        )
