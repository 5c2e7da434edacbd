"""The file of one case as a document that another program can check without anything of ours.

Its form is described in docs/how-to/audit.md; a change of it is a new `format`.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

from services.casebook.evidence import Findings, Key, LogRecord
from services.casebook.saying import canonical_text
from services.casebook.verification import LogLedger
from shared.clock import now
from shared.identifiers import CaseId

CASE_FILE: Final = "qyzmet.case-file.v1"
INSPECTION: Final = "qyzmet.inspection.v1"


def case_file(case_id: CaseId, records: Sequence[LogRecord]) -> dict[str, object]:
    """All that the log holds of a case, with its chains."""
    return {"format": CASE_FILE, "made_at": now(), **proven(case_id, records)}


def proven(
    case_id: CaseId,
    records: Sequence[LogRecord],
    replay: Mapping[Key, Mapping[str, object]] | None = None,
) -> dict[str, object]:
    """A case with its proof; with what a replay says of each fact, if one is given."""
    findings = Findings()
    ledger = LogLedger(findings)
    facts, others = [], []
    for record in records:
        ledger.take(record)
        if (key := key_of(record, ledger)) is None:
            others.append(_place(record))
            continue
        entry = fact_entry(record, ledger, key)
        facts.append(entry if replay is None else {**entry, "replay": replay.get(key)})
    ledger.conclude()
    ledger.judge()
    return {
        "case_id": str(case_id),
        "chains": chains_of(ledger),
        "facts": facts,
        "other_records": others,
        "findings": [
            {"flaw": each.flaw.value, "record": each.record, "found": each.found}
            for each in findings.kept
        ],
    }


def key_of(record: LogRecord, ledger: LogLedger) -> Key | None:
    """Which fact the record that the ledger took last is the first to tell."""
    last = next(reversed(ledger.facts), None)
    if last is None or ledger.facts[last].place != (
        record.topic,
        record.partition,
        record.offset,
    ):
        return None
    return last


def fact_entry(record: LogRecord, ledger: LogLedger, key: Key) -> dict[str, object]:
    """A fact with its proof: the exact texts that are hashed, the hash, and the one before."""
    told = ledger.facts[key]
    return {
        "position": _place(record),
        "logged_at": datetime.fromtimestamp(record.timestamp / 1000, UTC),
        "attributes": canonical_text(record.headers).decode(),
        **_data(record.value or b""),
        "hash": told.digest.hex(),
        "prevhash": told.previous,
    }


def chains_of(ledger: LogLedger) -> dict[str, dict[str, object]]:
    """Of each source how many facts it told, and the hash of its last: to be kept elsewhere."""
    found: dict[str, dict[str, object]] = {}
    for (source, _, sequence), told in sorted(ledger.facts.items(), key=lambda item: item[0]):
        found[source.value] = {"facts": sequence, "head": told.digest.hex()}
    return found


def written_document(document: Mapping[str, object]) -> str:
    """As text."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain)


class Inspection:
    """What a replay found, written case by case: one JSON document, however many cases it has."""

    def __init__(self, out: TextIO, head: Mapping[str, object]) -> None:
        self._out = out
        self._is_first = True
        opening = written_document({"format": INSPECTION, "made_at": now(), **head})
        out.write(f'{opening.removesuffix("}").rstrip()},\n  "cases": [')

    def add(self, case: Mapping[str, object]) -> None:
        """One more case."""
        self._out.write("\n" if self._is_first else ",\n")
        self._out.write(json.dumps(case, ensure_ascii=False, default=_plain))
        self._is_first = False

    def close(self, totals: Mapping[str, object]) -> None:
        """The end: what there was in all."""
        text = json.dumps(totals, ensure_ascii=False)
        self._out.write(f'\n  ],\n  "totals": {text}\n}}\n')


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def _place(record: LogRecord) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _data(value: bytes) -> dict[str, object]:
    try:
        return {"data": value.decode()}
    except UnicodeDecodeError:
        return {"data_base64": b64encode(value).decode()}
