"""Casebook's tables dropped, rebuilt, swapped and rolled back, its processes killed; cases flow on.

Facts of 50 cases a second come into the log as the stages would send them. Readers ask two
replicas all the time: every answer is a 200, and none shows a case, or the log, at an earlier place
than an answer before it. Only where the log is too long for the machine to be folded anew within
the time that a question waits, the answer is 503, after that time and not before. In the end
everything told is there, once, and equal to a fresh fold.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.broker import LocalBroker
from services.casebook.readers import ANEW_S_MAX
from services.casebook.settings import Settings
from shared.identifiers import Role
from shared.postgres.migrations import migrate
from shared.privacy import MIGRATIONS
from tests.faults.stand import FULL, say
from tests.load.synthetic import records
from tests.readside import fresh_log, settings_of, token

pytestmark = [pytest.mark.fault, pytest.mark.timeout(2400 if FULL else 240)]

RECORDS_A_S = 330
"""Of 50 cases, each with six or seven facts."""
ROUNDS, CALM_S = (10, 8.0) if FULL else (1, 1.5)
READERS = 8 if FULL else 4
WITHIN_S = 90.0
FOLDED_ANEW = "the read side is being folded anew"
OPERATOR = token("timur", "almaly", Role.OPERATOR)
PROGRAM = Path(sys.executable).with_name("qyzmet")
ROOT = Path(__file__).parents[2]


@dataclass
class Replica:
    """One casebook process; readers leave it alone while it is dead."""

    settings: Settings
    name: str
    process: "subprocess.Popen[bytes] | None" = None
    serves: bool = False
    deaths: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def start(self) -> None:
        told = {
            "DATABASE_URL": self.settings.database_url.get_secret_value(),
            "PRIVACY_URL": self.settings.privacy_url.get_secret_value(),
            "KAFKA": self.settings.kafka,
            "PORT": str(self.settings.port),
            "REPLICA": self.name,
            "MASTER_KEY_FILE": str(self.settings.master_key_file),
            "LOOKUP_KEY_FILE": str(self.settings.lookup_key_file),
            "TOKEN_KEYS": str(self.settings.token_keys),
            "LOG_LEVEL": "error",
        }
        environment = {**os.environ, **{f"QYZMET_{name}": value for name, value in told.items()}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.casebook"], cwd=ROOT, env=environment
        )

    def kill(self) -> None:
        process, self.process = self.process, None
        self.serves, self.deaths = False, self.deaths + 1
        if process is not None:
            process.kill()
            process.wait()

    async def ready(self) -> None:
        deadline = time.monotonic() + WITHIN_S
        async with httpx.AsyncClient(trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    answer = await client.get(f"{self.url}/health/ready", timeout=5)
                except httpx.TransportError:
                    pass
                else:
                    if answer.status_code == httpx.codes.OK:
                        self.serves = True
                        return
                await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} was not ready in time")


@dataclass
class Stage:
    """Everything of a run."""

    bootstrap: str
    url: str
    replicas: list[Replica]
    told: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By case the place of its last fact."""
    facts: int = 0
    flows: bool = True
    answers: int = 0
    slowest_s: float = 0.0
    put_off: int = 0
    """Answers that would have had to wait longer than a question may."""
    heard: dict[str, tuple[int, int]] = field(default_factory=dict)
    changes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By case and position: under which ids of the feed it was told."""
    reloads: int = 0

    # ---- what goes on all the time --------------------------------------------------------------

    async def flow(self) -> None:
        """Facts, at an even rate."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True)
        await producer.start()
        source = records(10_000_000, open_at_once=50)
        began, sent = time.monotonic(), 0
        try:
            while self.flows:
                owed = int((time.monotonic() - began) * RECORDS_A_S) - sent
                some = list(islice(source, min(owed, 200)))
                waiting = [
                    await producer.send(
                        each.topic, each.value, key=each.key, headers=list(each.headers)
                    )
                    for each in some
                ]
                for each, ack in zip(some, waiting, strict=True):
                    place = await ack
                    self.told[(each.key or b"").decode()] = (place.partition, place.offset)
                sent += len(some)
                self.facts = sent
                await asyncio.sleep(0.05)
        finally:
            await producer.stop()

    async def read(self, seed: int) -> None:
        """One reader: cases, the list, freshness; each never earlier than before."""
        rng, seen = random.Random(seed), dict[str, int]()
        async with httpx.AsyncClient(trust_env=False, headers=OPERATOR, timeout=60) as client:
            while self.flows:
                match rng.randrange(4):
                    case 0:
                        found = await self.ask(client, rng, "/cases?limit=20")
                        cases = found["cases"]
                    case 1:
                        found = await self.ask(client, rng, "/queues/to-draft?limit=20")
                        cases = found["cases"]
                    case _:
                        known = [name for name in seen if " " not in name]
                        if not known:
                            continue
                        case_id = rng.choice(known[-200:])
                        found = await self.ask(client, rng, f"/cases/{case_id}")
                        cases = [found["case"]]
                self.never_back(seen, cases, found["as_of"]["positions"])
                await asyncio.sleep(0.02)

    def never_back(
        self, seen: dict[str, int], cases: list[dict[str, Any]], positions: list[str]
    ) -> None:
        """Both replicas read the same tables, so this holds whichever of them is asked."""
        for name, position in [
            *((case["case_id"], case["position"]) for case in cases),
            *((f"partition {each.partition(':')[0]}", each) for each in positions),
        ]:
            offset = int(position.partition(":")[2])
            before = seen.get(name, -1)
            assert offset >= before, f"{name} was at {before}, now at {offset}"
            seen[name] = offset

    async def ask(self, client: httpx.AsyncClient, rng: random.Random, path: str) -> dict[str, Any]:
        """From any replica that lives, as a load balancer chooses."""
        while True:
            alive = [each for each in self.replicas if each.serves]
            chosen = rng.choice(alive)
            began, deaths = time.monotonic(), chosen.deaths
            try:
                answer = await client.get(f"{chosen.url}{path}")
            except httpx.TransportError:
                # Killed under the question; never otherwise.
                assert chosen.deaths > deaths, f"{chosen.name} did not answer"
                continue
            waited_s = time.monotonic() - began
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and FOLDED_ANEW in answer.text:
                assert waited_s >= ANEW_S_MAX, f"put off after {waited_s:.1f} s"
                assert int(answer.headers["Retry-After"]) > 0
                self.put_off += 1
                continue
            self.slowest_s = max(self.slowest_s, waited_s)
            self.answers += 1
            assert answer.status_code == httpx.codes.OK, (path, answer.status_code, answer.text)
            found: dict[str, Any] = answer.json()
            return found

    async def listen(self) -> None:
        """One client of the feed, that comes back with its last id whenever a stream ends."""
        last: dict[str, str] = {}
        async with httpx.AsyncClient(trust_env=False, headers=OPERATOR, timeout=60) as client:
            while self.flows:
                alive = [each for each in self.replicas if each.serves]
                try:
                    async with client.stream(
                        "GET", f"{random.choice(alive).url}/feed", headers=last
                    ) as response:
                        if response.status_code == httpx.codes.OK:
                            await self.hear(response, last)
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)

    async def hear(self, response: httpx.Response, last: dict[str, str]) -> None:
        event = ""
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                last["Last-Event-ID"] = value
            elif name == "event":
                event = value
            elif name == "data":
                self.take(event, httpx.Response(200, text=value).json(), last["Last-Event-ID"])

    def take(self, event: str, said: dict[str, Any], told_as: str) -> None:
        if event == "reload":
            self.reloads += 1
        for each in said.get("changes", []):
            partition, offset = map(int, each["position"].split(":"))
            self.heard[each["case_id"]] = (partition, offset)
            at = (each["case_id"], each["position"])
            self.changes.setdefault(at, []).append(told_as)

    # ---- what is done to it ---------------------------------------------------------------------

    async def drop(self) -> None:
        """Lose the live tables."""
        connection = await asyncpg.connect(self.url)
        try:
            while True:
                try:
                    await connection.execute("DROP SCHEMA casebook CASCADE")
                    return
                except asyncpg.DeadlockDetectedError:
                    continue  # with a batch that was being written; it may have won
        finally:
            await connection.close()

    async def back(self) -> None:
        """Wait until there are live tables, and they have come as far as was told just now."""
        wanted = dict(self.told)
        deadline = time.monotonic() + WITHIN_S
        connection = await asyncpg.connect(self.url)
        try:
            while time.monotonic() < deadline:
                if await connection.fetchval("SELECT to_regclass('casebook.offsets')"):
                    rows = await connection.fetch(
                        "SELECT partition, next FROM casebook.offsets WHERE topic = 'case-events'"
                    )
                    following = {row["partition"]: row["next"] for row in rows}
                    if all(following[part] > offset for part, offset in wanted.values()):
                        return
                await asyncio.sleep(0.1)
        finally:
            await connection.close()
        raise AssertionError("the tables did not come back in time")

    async def folding(self) -> Replica:
        """The replica that folds."""
        async with httpx.AsyncClient(trust_env=False, headers=OPERATOR, timeout=30) as client:
            for replica in self.replicas:
                answer = await client.get(f"{replica.url}/freshness")
                if answer.json()["folds_here"]:
                    return replica
        raise AssertionError("no replica folds")

    async def qyzmet(self, *arguments: str, kill_after_s: float | None = None) -> int:
        """The command line; killed after a while, if one is named."""
        environment = {
            **os.environ, "QYZMET_KAFKA": self.bootstrap, "QYZMET_DATABASE_URL": self.url,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "rebuild", *arguments, env=environment, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        if kill_after_s is not None:
            await asyncio.sleep(kill_after_s)
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
        out, err = await process.communicate()
        say(f"rebuild {arguments[0]}: {process.returncode} {err.decode().strip()[-200:]}")
        if process.returncode not in (0, -signal.SIGKILL):
            say(out.decode()[-1500:])
        return process.returncode or 0


@asynccontextmanager
async def stage(bootstrap: str, url: str, folder: Path) -> AsyncIterator[Stage]:
    await fresh_log(bootstrap)
    connection = await asyncpg.connect(url)
    await migrate(connection, MIGRATIONS, "public")  # the keys' own tables
    await connection.close()
    replicas = [
        Replica(settings_of(folder, bootstrap=bootstrap, url=url, privacy_url=url), f"casebook-{n}")
        for n in (1, 2)
    ]
    try:
        for replica in replicas:
            replica.start()
        for replica in replicas:
            await replica.ready()
        yield Stage(bootstrap, url, replicas)
    finally:
        for replica in replicas:
            replica.kill()


async def disturb(scene: Stage) -> None:
    """Each round: a drop, a drop with the folding process killed, a rebuild killed and repeated."""
    for number in range(ROUNDS):
        await asyncio.sleep(CALM_S)
        say(f"round {number + 1}: drop")
        await scene.drop()
        await scene.back()
        leader = await scene.folding()
        say(f"round {number + 1}: drop, and kill {leader.name}")
        await scene.drop()
        await asyncio.sleep(0.3)
        leader.kill()
        await scene.back()
        leader.start()
        await leader.ready()
        reason = ("--reason", "a test", "--apply")
        await scene.qyzmet("run", *reason, kill_after_s=2.5)
        assert await scene.qyzmet("run", *reason) == 0
        assert await scene.qyzmet("swap", *reason, "--yes") == 0
        await asyncio.sleep(CALM_S)
        assert await scene.qyzmet("rollback", *reason, "--yes") == 0


async def test_tables_come_and_go_and_no_reader_notices(
    broker: LocalBroker, database: str, tmp_path: Path
) -> None:
    async with stage(broker.bootstrap, database, tmp_path) as scene:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(scene.flow())
            for seed in range(READERS):
                group.create_task(scene.read(seed))
            listener = group.create_task(scene.listen())
            await disturb(scene)
            await asyncio.sleep(CALM_S)
            scene.flows = False
            await scene.back()
            await asyncio.sleep(1.0)
            listener.cancel()
        took = time.monotonic() - began
        say(
            f"{scene.facts} facts in {took:.0f} s, {scene.answers} answers, the slowest after"
            f" {scene.slowest_s:.1f} s, {scene.put_off} put off, {scene.reloads} reloads"
        )
        # A short log is folded in time on any machine; a long one on one that has time for it.
        assert scene.put_off == 0 or FULL
        assert scene.put_off < scene.answers / 100
        assert scene.facts > RECORDS_A_S * took * 0.7
        assert scene.answers > 100
        missed = {case for case, place in scene.told.items() if scene.heard.get(case) != place}
        assert scene.reloads or not missed
        twice = [told for told in scene.changes.values() if len(told) > 1]
        assert twice == [], f"{len(twice)} of {len(scene.changes)} changes were told twice"
        assert await scene.qyzmet("run", "--reason", "a test", "--apply") == 0
        connection = await asyncpg.connect(database)
        try:
            cases = await connection.fetchval("SELECT count(*) FROM casebook.status")
            facts = await connection.fetchval("SELECT count(*) FROM casebook.timeline")
        finally:
            await connection.close()
        assert (cases, facts) == (len(scene.told), scene.facts)
