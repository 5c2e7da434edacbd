"""The vault on a real Postgres: one reference per person, one key per case, erased at once."""

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import pytest

from shared.errors import Unavailable
from shared.identifiers import ApplicantRef, CaseId, new_id
from shared.postgres.migrations import migrate
from shared.postgres.pool import Pool, open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import (
    BadKeyFile,
    MasterKeys,
    UnknownMasterKey,
    new_key_text,
    read_lookup_key,
    read_master_keys,
)
from shared.privacy.sealing import CaseKey, Tampered

MIGRATIONS = files("shared.privacy") / "migrations"
OLD = MasterKeys({1: b"1" * 32}, current=1)
BOTH = MasterKeys({1: b"1" * 32, 2: b"2" * 32}, current=2)
NEW = MasterKeys({2: b"2" * 32}, current=2)
LOOKUP_KEY = b"l" * 32
IIN = "880101300017"
OTHER_IIN = "910512450029"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database, schema="privacy", application_name="test")
    async with pool:
        async with pool.acquire() as connection:
            await migrate(connection, MIGRATIONS, "privacy")
        yield pool


@pytest.fixture
def vault(pool: Pool) -> Vault:
    return Vault(pool, OLD, LOOKUP_KEY)


def some_cases(count: int) -> list[CaseId]:
    return [CaseId(new_id()) for _ in range(count)]


def someone() -> ApplicantRef:
    return ApplicantRef(uuid4())


async def test_a_person_keeps_the_reference(vault: Vault) -> None:
    first = await vault.applicants([IIN])
    again = await vault.applicants([OTHER_IIN, IIN, IIN])
    assert again[IIN] == first[IIN]
    assert again[OTHER_IIN] != first[IIN]
    assert await vault.find_applicant(IIN) == first[IIN]


async def test_nobody_asked_for_is_nobody_found(vault: Vault) -> None:
    assert await vault.applicants([]) == {}
    assert await vault.find_applicant(IIN) is None


async def test_many_at_once_agree_on_every_reference(vault: Vault) -> None:
    iins = [f"{number:012d}" for number in range(200)]
    rounds = (iins if turn % 2 else iins[::-1] for turn in range(12))
    answers = await asyncio.gather(*(vault.applicants(each) for each in rounds))
    assert len(set(answers[0].values())) == len(iins)
    assert all(answer == answers[0] for answer in answers)


async def test_the_database_never_sees_an_iin(vault: Vault, pool: Pool) -> None:
    await vault.applicants([IIN])
    row = await pool.fetchrow("SELECT lookup, applicant FROM applicants")
    assert row is not None
    assert IIN.encode() not in row["lookup"]
    stranger = Vault(pool, OLD, b"x" * 32)
    assert await stranger.find_applicant(IIN) is None


async def test_a_forgotten_person_comes_back_as_somebody_else(vault: Vault) -> None:
    before = (await vault.applicants([IIN]))[IIN]
    assert await vault.forget_applicant(before)
    assert not await vault.forget_applicant(before)
    assert await vault.find_applicant(IIN) is None
    assert (await vault.applicants([IIN]))[IIN] != before


async def test_a_case_keeps_its_key(vault: Vault) -> None:
    cases, person = some_cases(3), someone()
    made = await vault.create_keys(dict.fromkeys(cases, person))
    again = await vault.create_keys({cases[0]: person, **dict.fromkeys(some_cases(1), person)})
    assert again[cases[0]] == made[cases[0]]
    assert await vault.keys(cases) == made
    assert len({key.material for key in made.values()}) == 3


async def test_many_at_once_agree_on_every_key(vault: Vault) -> None:
    wanted = dict.fromkeys(some_cases(100), someone())
    backwards = dict(reversed(wanted.items()))
    answers = await asyncio.gather(
        *(vault.create_keys(wanted if turn % 2 else backwards) for turn in range(12))
    )
    assert all(answer == answers[0] for answer in answers)


async def test_an_erased_key_is_gone_for_everyone_at_once(vault: Vault, pool: Pool) -> None:
    person = someone()
    gone, kept = some_cases(2)
    await vault.create_keys({gone: person, kept: person})
    another = Vault(pool, OLD, LOOKUP_KEY)
    assert await another.keys([gone, kept])
    assert await vault.erase([gone, CaseId(new_id())]) == 1
    assert set(await another.keys([gone, kept])) == {kept}
    assert await another.cases_of(person) == [kept]
    assert await vault.erase([gone]) == 0


async def test_all_cases_of_a_person_are_found_in_their_order(vault: Vault) -> None:
    person, cases = someone(), some_cases(5)
    await vault.create_keys(dict.fromkeys(reversed(cases), person))
    await vault.create_keys(dict.fromkeys(some_cases(2), someone()))
    assert await vault.cases_of(person) == cases


async def test_a_key_moved_to_another_case_does_not_open(vault: Vault, pool: Pool) -> None:
    mine, foreign = some_cases(2)
    await vault.create_keys({mine: someone(), foreign: someone()})
    await pool.execute(
        "UPDATE case_keys SET wrapped = (SELECT wrapped FROM case_keys WHERE case_id = $1)"
        " WHERE case_id = $2",
        foreign,
        mine,
    )
    with pytest.raises(Tampered):
        await vault.keys([mine])


async def test_the_master_key_can_be_changed(vault: Vault, pool: Pool) -> None:
    cases = some_cases(5)
    made = await vault.create_keys(dict.fromkeys(cases, someone()))
    with pytest.raises(UnknownMasterKey):
        await Vault(pool, NEW, LOOKUP_KEY).keys(cases)
    rotating = Vault(pool, BOTH, LOOKUP_KEY)
    assert await rotating.keys(cases) == made
    assert [await rotating.rewrap(3) for _ in range(3)] == [3, 2, 0]
    assert await Vault(pool, NEW, LOOKUP_KEY).keys(cases) == made


async def test_a_vault_that_does_not_answer_is_unavailable(vault: Vault, pool: Pool) -> None:
    hurried = Vault(pool, OLD, LOOKUP_KEY, timeout_s=0.2)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE case_keys")
        with pytest.raises(Unavailable, match="the vault"):
            await hurried.keys(some_cases(1))
    await vault.probe()
    await pool.close()
    with pytest.raises(Unavailable):
        await vault.keys(some_cases(1))


def test_key_files_are_read_and_the_last_line_wraps(tmp_path: Path) -> None:
    path = tmp_path / "master.keys"
    path.write_text(f"1 {new_key_text()}\n7 {new_key_text()}\n")
    keys = read_master_keys(path)
    assert (keys.current, set(keys.keys)) == (7, {1, 7})
    case_id, key = CaseId(new_id()), CaseKey.new()
    assert keys.unwrap(case_id, keys.wrap(case_id, key)) == key
    path.write_text(new_key_text() + "\n")
    assert len(read_lookup_key(path)) == 32


def test_a_file_of_raw_bytes_is_one_key(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"\n" * 32)
    assert read_master_keys(path) == MasterKeys({1: b"\n" * 32}, current=1)
    assert read_lookup_key(path) == b"\n" * 32
    with pytest.raises(BadKeyFile, match="cannot be read"):
        read_lookup_key(tmp_path / "missing.key")


@pytest.mark.parametrize(
    "text", ["", "1 short", "0 {key}", "256 {key}", "{key}", "1 {key}\n1 {key}", "1 {key}é"]
)
def test_a_bad_key_file_is_named_without_its_keys(tmp_path: Path, text: str) -> None:
    path, key = tmp_path / "master.keys", new_key_text()
    path.write_text(text.format(key=key))
    with pytest.raises(BadKeyFile) as raised:
        read_master_keys(path)
    assert key not in str(raised.value)
    assert "master.keys" in str(raised.value)


def test_keys_do_not_show_themselves(vault: Vault) -> None:
    assert "1111" not in repr(OLD)
    assert "1111" not in repr(vault)
    assert "llll" not in repr(vault)
