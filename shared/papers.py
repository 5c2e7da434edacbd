"""Which papers a case may hold and which it must, by its regulation and the file beside it.

The resolution names the list of clause 9 of the Standard as a whole (R2 5.1, R3 5.1, R4 5.1) and
does not contain it; what is known of that list stands in the outside file, each with its source.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from shared.errors import Because, Refused
from shared.identifiers import Channel, Step
from shared.procedures.kinds import DocumentKind, Need
from shared.procedures.models import Procedure
from shared.procedures.outside import Outside, OutsideDocument
from shared.procedures.parts import NamedDocument

_PERIOD_OF_THE_RESOLUTION = "2015-2020"
_REGULATIONS_MAX = 64


@lru_cache(maxsize=_REGULATIONS_MAX)
def known_kinds(procedure: Procedure, outside: Outside) -> frozenset[str]:
    """Every kind of paper that the regulation or the outside file names, and their variants."""
    named: tuple[NamedDocument | OutsideDocument, ...] = (
        *procedure.documents,
        *outside.documents,
    )
    return frozenset(
        kind.value for document in named for kind in (document.kind, *document.variants)
    )


def only_known_kinds(
    kinds: Sequence[str], procedure: Procedure, outside: Outside, field: str
) -> None:
    """Papers are named by kinds that somebody can look up, each once."""
    unknown = sorted(set(kinds) - known_kinds(procedure, outside))
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if unknown or twice:
        raise Refused(
            "papers are of known kinds, each once",
            expected="kinds that the regulation or the file beside it names",
            found=", ".join([*unknown, *(f"{kind} twice" for kind in twice)]),
            because=Because.INPUT,
            clause=procedure.step(Step.REGISTER).clause,
            field=field,
        )


@lru_cache(maxsize=1024)
def missing_papers(
    procedure: Procedure, outside: Outside, channel: Channel, provided: frozenset[str]
) -> tuple[str, ...]:
    """The required papers that are not there, by name.

    Conditional ones are not asked for: whether the condition holds is for a person to judge.
    """
    return tuple(
        sorted(
            document.kind.value
            for document in _required(procedure, outside)
            if document.channel in (None, channel)
            and not _is_there(document.kind, document.variants, provided)
        )
    )


@lru_cache(maxsize=_REGULATIONS_MAX)
def _required(
    procedure: Procedure, outside: Outside
) -> tuple[NamedDocument | OutsideDocument, ...]:
    # The list as a whole is no paper of its own: what is known of it follows.
    named = (
        document
        for document in procedure.documents
        if document.need is Need.REQUIRED and document.kind is not DocumentKind.CLAUSE_9_DOCUMENTS
    )
    listed = (
        document
        for document in outside.documents
        if document.need is Need.REQUIRED and document.period == _PERIOD_OF_THE_RESOLUTION
    )
    return (*named, *listed)


def _is_there(
    kind: DocumentKind, variants: Iterable[DocumentKind], provided: frozenset[str]
) -> bool:
    return any(one.value in provided for one in (kind, *variants))
