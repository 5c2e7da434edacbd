"""A person is erased: the log and its chains stay whole, and nothing of the person can be read."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.system import LocalSystem
from shared.events.envelope import GENESIS, canonical, chain_hash
from tests.journeys.office import Office, application, raw_records

CANARIES = ("Эразмов", "Erasure street 99", "erase-me@example.invalid", "+77001234567")
_TABLES = """
SELECT string_agg(format('%I.%I', schemaname, tablename), ' ') FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.fixture
def erased(by_rule: Office, office: Office) -> tuple[str, str]:
    """A finished case of somebody who was erased: its number and the person's IIN."""
    body = application("employment-referral", result_kind="public-works", notice="sms")
    body["applicant"] |= {
        "surname": CANARIES[0],
        "address": CANARIES[1],
        "email": CANARIES[2],
        "phone": CANARIES[3],
    }
    key = str(uuid.uuid4())
    lodged = by_rule.ok("intake", "POST", "/applications", "saule", body, key=key)
    case, iin = lodged["case_id"], body["applicant"]["iin"]
    by_rule.until(case, "qyzmet.notify.notice-sent.v1")
    by_rule.until_read("case-events")
    gone = office.ok("intake", "POST", "/applicants/erasure", "timur", {"iin": iin})
    assert gone["cases"] == [case]
    return case, iin


def test_an_erased_person_leaves_a_whole_log_and_no_key(
    erased: tuple[str, str], by_rule: Office
) -> None:
    case, iin = erased
    facts = by_rule.facts(case)
    assert facts[-1][0]["ce_type"] == "qyzmet.intake.personal-data-erased.v1"
    assert _keys(by_rule, case) == 0
    _chains_are_whole(by_rule, case)
    _nothing_readable(by_rule, (*CANARIES, iin))


def test_somebody_with_an_open_case_is_not_erased(office: Office) -> None:
    body = application("home-education")
    key = str(uuid.uuid4())
    office.ok("intake", "POST", "/applications", "saule", body, key=key)
    wanted = {"iin": body["applicant"]["iin"]}
    answer = office.ask("intake", "POST", "/applicants/erasure", "timur", wanted)
    assert answer.status_code == 409


def test_keys_that_a_backup_brought_back_are_destroyed_before_anything_is_served(
    erased: tuple[str, str], by_rule: Office
) -> None:
    case, _ = erased
    back = (
        "INSERT INTO case_keys (case_id, applicant, wrapped) "
        f"VALUES ('{case}', gen_random_uuid(), '\\x00')"
    )
    by_rule.system.postgres.query(back, "privacy")
    assert _keys(by_rule, case) == 1
    intake = by_rule.system.services["intake"]
    intake.stop()
    intake.start()
    intake.wait_ready(60)
    assert _keys(by_rule, case) == 0


def _keys(office: Office, case: str) -> int:
    sql = f"SELECT count(*) FROM case_keys WHERE case_id = '{case}'"
    return int(office.system.postgres.query(sql, "privacy"))


def _chains_are_whole(office: Office, case: str) -> None:
    heads: dict[str, str] = {}
    for key, headers, value in raw_records(office.system):
        if key.decode() != case:
            continue
        found = {name[3:]: text.decode() for name, text in headers if name.startswith("ce_")}
        assert found["prevhash"] == heads.get(found["source"], GENESIS)
        heads[found["source"]] = chain_hash(canonical(found), value)
    assert len(heads) == 5


def _nothing_readable(office: Office, canaries: tuple[str, ...]) -> None:
    found = [name for name, text in _everything(office.system) if _holds(text, canaries)]
    assert found == []


def _holds(text: bytes, canaries: tuple[str, ...]) -> bool:
    return any(canary.encode() in text for canary in canaries)


def _everything(system: LocalSystem) -> Iterator[tuple[str, bytes]]:
    """All that the system keeps: the log, every table, log lines and traces, by name."""
    for _, headers, value in raw_records(system):
        yield "topic", value + b"".join(text for _, text in headers)
    for database in ("qyzmet", "privacy"):
        for table in system.postgres.query(_TABLES, database).split():
            rows = system.postgres.query(
                f"SELECT string_agg(t::text, ' ') FROM {table} t", database
            )
            yield table, rows.encode()
    files = [*(system.folder / "logs").glob("*"), system.folder.parent / "traces.jsonl"]
    for file in files:
        yield file.name, Path(file).read_bytes()
