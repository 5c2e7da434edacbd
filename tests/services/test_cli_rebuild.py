"""`qyzmet rebuild` as an operator runs it: what it says, does, and exits with."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.broker import LocalBroker
from tests.facts import publish
from tests.load.synthetic import records
from tests.readside import ReadSide, read_side

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("qyzmet")
WHY = ("--reason", "a test")
DIFFERENCES = 3


@pytest.fixture
async def whole(broker: LocalBroker, database: str) -> AsyncIterator[ReadSide]:
    async with read_side(broker.bootstrap, database, from_start=True) as found:
        yield found


async def start(side: ReadSide, *arguments: str) -> asyncio.subprocess.Process:
    told = {"QYZMET_KAFKA": side.bootstrap, "QYZMET_DATABASE_URL": side.url}
    return await asyncio.create_subprocess_exec(
        PROGRAM,
        "rebuild",
        *arguments,
        env={**os.environ, **told},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def rebuild(side: ReadSide, *arguments: str) -> tuple[int, str, str]:
    process = await start(side, *arguments)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def answer(side: ReadSide, *arguments: str) -> Any:
    _, out, err = await rebuild(side, *arguments, "-o", "json")
    assert out, err
    return json.loads(out)


async def test_an_operator_rebuilds_compares_swaps_and_rolls_back(whole: ReadSide) -> None:
    written = list(records(1_500, open_at_once=100))
    async with whole.folding():
        await publish(whole.bootstrap, written)
        await whole.caught_up_to_the_end()
        code, _, err = await rebuild(whole, "run", *WHY)
        assert (code, "DRY RUN" in err) == (0, True)
        assert [each["schema"] for each in (await answer(whole, "status"))["schemas"]] == [
            "casebook"
        ]
        code, _, err = await rebuild(whole, "run", *WHY, "--apply")
        assert (code, "equal" in err) == (0, True), err
        assert "/s" in err
        await whole.pool.execute("UPDATE status SET state = 'withdrawn' WHERE state = 'rejected'")
        code, out, _ = await rebuild(whole, "compare", "-o", "json")
        found = json.loads(out)
        assert (code, found["ok"]) == (DIFFERENCES, False)
        assert {
            (each["column"], each["live"], each["rebuilt"]) for each in found["differences"]
        } == {("state", "withdrawn", "rejected")}
        code, _, _ = await rebuild(whole, "swap", *WHY, "--apply", "--yes")
        assert code == DIFFERENCES
        code, _, err = await rebuild(whole, "swap", *WHY, "--apply", "--differing")
        assert (code, "--yes" in err) == (2, True)
        assert (await rebuild(whole, "swap", *WHY, "--apply", "--yes", "--differing"))[0] == 0
        assert await whole.pool.fetchval("SELECT count(*) FROM status WHERE state = 'rejected'")
        assert (await rebuild(whole, "rollback", *WHY, "--apply", "--yes"))[0] == 0
        assert not await whole.pool.fetchval("SELECT count(*) FROM status WHERE state = 'rejected'")
        assert (await rebuild(whole, "drop", "before", *WHY, "--apply", "--yes"))[0] == 0
        stands = await answer(whole, "status")
    assert [each["schema"] for each in stands["schemas"]] == ["casebook"]
    assert [each["act"] for each in stands["acts"]] == ["drop", "rollback"]
    code, _, err = await rebuild(whole, "rollback", *WHY, "--apply", "--yes")
    assert (code, "casebook_before" in err) == (1, True)


async def test_a_killed_rebuild_is_gone_on_with(whole: ReadSide) -> None:
    written = list(records(20_000, open_at_once=200))
    async with whole.folding():
        await publish(whole.bootstrap, written)
        killed = await start(whole, "run", *WHY, "--apply", "--processes", "2")
        await whole.eventually("SELECT to_regclass('casebook_next.offsets') IS NOT NULL")
        await asyncio.sleep(0.5)
        killed.send_signal(signal.SIGKILL)
        await killed.communicate()
        await whole.caught_up_to_the_end()
        code, _, err = await rebuild(whole, "run", *WHY, "--apply", "--processes", "2")
        assert (code, "equal" in err) == (0, True), err
        assert await whole.pool.fetchval("SELECT count(*) FROM casebook_next.timeline") == len(
            written
        )
