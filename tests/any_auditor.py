"""An auditor's own program: checks what `audit export` and `replay --inspection` write.

It shares no code with the system: only Python's own library, and the description of the two forms
in docs/how-to/audit.md.

    python tests/any_auditor.py FILE
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

FIRST = "0" * 64
NEXT_HOLDER = {
    "qyzmet.intake.application-registered.v1": "routing",
    "qyzmet.routing.executor-assigned.v1": "executor",
    "qyzmet.executor.notification-drafted.v1": "signing",
    "qyzmet.signing.notification-signed.v1": "notify",
    "qyzmet.signing.notification-returned.v1": "executor",
}
VERDICTS = {
    "same", "same as far as it can be known", "differs", "cannot be decided again",
}  # fmt: skip


def faults_in(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document; nothing, if it proves what it says."""
    match document.get("format"):
        case "qyzmet.case-file.v1":
            return faults_in_case(document)
        case "qyzmet.inspection.v1":
            faults = [fault for case in document["cases"] for fault in faults_in_case(case)]
            return faults + faults_in_replay(document)
        case other:
            return [f"an unknown form: {other}"]


def faults_in_case(case: dict[str, Any]) -> list[str]:
    """The chain of each source, the order of the log, and who held the case."""
    faults: list[str] = []
    heads: dict[str, tuple[int, str]] = {}
    places = []
    for fact in case["facts"]:
        place = fact["position"]
        name = f"{place['topic']} {place['partition']}:{place['offset']}"
        says = json.loads(fact["attributes"])
        if says["subject"] != case["case_id"]:
            faults.append(f"{name}: a fact of another case")
        before = heads.get(says["source"], (0, FIRST))
        faults += [f"{name}: {fault}" for fault in faults_in_link(fact, says, before)]
        heads[says["source"]] = (before[0] + 1, fact["hash"])
        places.append((place["topic"], place["partition"], place["offset"]))
    if places != sorted(set(places)):
        faults.append(f"{case['case_id']}: not in the order of the log")
    chains = {source: {"facts": count, "head": head} for source, (count, head) in heads.items()}
    if chains != case["chains"]:
        faults.append(f"{case['case_id']}: the chains end elsewhere than it says")
    faults += faults_in_turns([json.loads(fact["attributes"]) for fact in case["facts"]])
    return faults + [f"{case['case_id']}: {each['flaw']}" for each in case["findings"]]


def faults_in_link(
    fact: dict[str, Any], says: dict[str, str], before: tuple[int, str]
) -> list[str]:
    """One fact and the one of its source before it."""
    faults = []
    text = f"{fact['attributes']}\n{fact['data']}".encode()
    if hashlib.sha256(text).hexdigest() != fact["hash"]:
        faults.append("the hash is not of what stands there")
    if int(says["sequence"]) != before[0] + 1:
        faults.append(f"{says['source']} told {says['sequence']} after {before[0]}")
    if says["prevhash"] != before[1] or fact["prevhash"] != before[1]:
        faults.append("the chain is broken")
    return faults


def faults_in_turns(facts: list[dict[str, str]]) -> list[str]:
    """Only who holds a case passes it on."""
    faults, holders = [], ["intake"]
    for says in sorted(facts, key=lambda says: int(says["turn"])):
        turn = int(says["turn"])
        if says["type"] not in NEXT_HOLDER:
            continue
        if turn >= len(holders) or holders[turn] != says["source"]:
            faults.append(f"{says['id']}: {says['source']} passed on what it did not hold")
        elif turn == len(holders) - 1:
            holders.append(NEXT_HOLDER[says["type"]])
    return faults


def faults_in_replay(document: dict[str, Any]) -> list[str]:
    """Does the replay speak of these facts, and add up?"""
    faults, counts = [], dict.fromkeys(VERDICTS, 0)
    for case in document["cases"]:
        for fact in case["facts"]:
            replay = fact["replay"]
            if replay is None:
                continue
            says, data = json.loads(fact["attributes"]), json.loads(fact["data"])
            told = [says[name] for name in ("source", "type", "actor", "office", "procedure")]
            again = [replay[name] for name in ("source", "type", "actor", "office", "procedure")]
            if told != again or int(says["turn"]) != replay["turn"]:
                faults.append(f"{replay['position']}: the replay is of another fact")
            if ("due" in data) != (replay["due"] is not None):
                faults.append(f"{replay['position']}: a due is left out")
            if replay["verdict"] not in VERDICTS:
                faults.append(f"{replay['position']}: an unknown verdict")
                continue
            if (replay["verdict"] in ("differs", "cannot be decided again")) != bool(replay["why"]):
                faults.append(f"{replay['position']}: a verdict without a reason")
            counts[replay["verdict"]] += 1
    totals = document["totals"]
    if any(totals[verdict] != count for verdict, count in counts.items()):
        faults.append("the totals are not the sum of the facts")
    if totals["cases"] != len(document["cases"]) or totals["facts"] != sum(counts.values()):
        faults.append("the totals count other cases or facts")
    return faults


if __name__ == "__main__":
    found = faults_in(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print("\n".join(found) or "it proves what it says")  # noqa: T201
    sys.exit(1 if found else 0)
