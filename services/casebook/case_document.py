"""The file of one case as a document that another program can check without anything of ours.

Its form is described in docs/how-to/audit.md; a change of it is a new `format`.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from services.casebook.evidence import Findings, Key, LogRecord
from services.casebook.saying import canonical_text
from services.casebook.verification import LogLedger
from shared.clock import now
from shared.identifiers import CaseId

CASE_FILE: Final = "qyzmet.case-file.v1"


def case_file(case_id: CaseId, records: Sequence[LogRecord]) -> dict[str, object]:
    """All that the log holds of a case, with its chains."""
    findings = Findings()
    ledger = LogLedger(findings)
    facts, copies = [], []
    for record in records:
        ledger.take(record)
        if (key := key_of(record, ledger)) is not None:
            facts.append(fact_entry(record, ledger, key))
        else:
            copies.append(_place(record))
    ledger.conclude()
    ledger.judge()
    return {
        "format": CASE_FILE,
        "made_at": instant(now()),
        "case_id": str(case_id),
        "chains": chains_of(ledger),
        "facts": facts,
        "other_records": copies,
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
        "logged_at": instant(datetime.fromtimestamp(record.timestamp / 1000, UTC)),
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


def write_document(document: Mapping[str, object]) -> str:
    """As text, with a line's end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def instant(moment: datetime) -> str:
    """An instant as documents write it: UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _place(record: LogRecord) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _data(value: bytes) -> dict[str, object]:
    try:
        return {"data": value.decode()}
    except UnicodeDecodeError:
        return {"data_base64": b64encode(value).decode()}
