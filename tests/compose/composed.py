"""The system in containers, as a test handles it: only with Docker's own commands and over TLS."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.images.__main__ import build
from deploy.site.__main__ import prepare
from deploy.site.backups import in_postgres
from deploy.site.rolling import wait_healthy
from tests.journeys.office import STAFF, application

ROOT = Path(__file__).parents[2]
PROJECT = "qyzmet-test"
WAIT_S = 120.0
PAGE = 200
CONNECTS_MAX = 3
TOKEN_S = 1800.0
"""How long a token is used: half of its life."""
OFFICE = "astana-auto"
ADMINISTRATOR = "demo-administrator"


@dataclass
class Composed:
    """One installation. `profiles` and `brokers` are as `make up` takes them."""

    folder: Path
    port: int
    brokers: int = 1
    profiles: tuple[str, ...] = ("demo",)
    client: httpx.Client = field(init=False)
    broken: int = 0
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Images, secrets, settings. Images that are there are only brought up to date."""
        build(only=["base", "app", "postgres", "kafka", "caddy"])
        prepare(self.folder, self.brokers)
        trusted = ssl.create_default_context(cafile=str(self.folder / "secrets" / "ca.crt"))
        address = f"https://localhost:{self.port}"
        self.client = httpx.Client(base_url=address, verify=trusted, timeout=WAIT_S)

    def compose(self, *told: str) -> str:
        """A command of compose; what it prints."""
        return must([*self.program(), *told], self.variables())

    def program(self) -> list[str]:
        """The program, with the options that name this installation."""
        profiles = [f"--profile={each}" for each in self.profiles]
        place = ["--project-name", PROJECT, "--env-file", str(self.folder / "compose.env")]
        return [*_compose(), *place, "-f", str(ROOT / "deploy/compose.yaml"), *profiles]

    def variables(self) -> dict[str, str]:
        """What the compose file is told besides."""
        edge = f"127.0.0.1:{self.port}"
        return {**os.environ, "QYZMET_SITE": str(self.folder), "QYZMET_EDGE_ADDRESS": edge}

    def up(self, *more: str) -> None:
        """Start, and wait until all is healthy."""
        self.compose("up", "--detach", *more)
        self.wait_healthy()

    def wait_healthy(self) -> None:
        """Every container that stays."""
        deadline = time.monotonic() + WAIT_S
        while True:
            states = {
                each["Name"]: each["State"].get("Health", {}).get("Status")
                for each in self.inspected()
                if each["State"]["Running"] or each["HostConfig"]["RestartPolicy"]["Name"] != "no"
            }
            if states and all(state in {"healthy", None} for state in states.values()):
                return
            assert time.monotonic() < deadline, states
            time.sleep(1.0)

    def wait_healthy_stores(self) -> None:
        """Only the broker, while the services stand still."""
        wait_healthy([each["Id"] for each in self.inspected("kafka-1")])

    def inspected(self, service: str | None = None) -> list[dict[str, Any]]:
        """What the engine says of the containers."""
        named = [service] if service else []
        found = self.compose("ps", "--quiet", *named).split()
        shown: list[dict[str, Any]] = json.loads(must(["docker", "inspect", *found]))
        return shown

    def crash(self, service: str) -> None:
        """End a service's process from outside, as a fault does: the engine starts it again."""
        for container in self.inspected(service):
            os.kill(container["State"]["Pid"], signal.SIGKILL)

    @contextmanager
    def at_work(self, statement: str) -> Iterator[None]:
        """A session of the administrator that goes on with a statement for the time of a block."""
        told = ["psql", "--no-psqlrc", "--dbname=qyzmet", "--quiet", "--command", statement]
        command = in_postgres(self.program(), *told)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as session:
            try:
                yield
                assert session.poll() is None, "it ended by itself"
            finally:
                mine = "pid <> pg_backend_pid() AND application_name = 'psql'"
                self.asked(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")

    def asked(self, query: str, database: str = "qyzmet") -> str:
        """What the database answers to its administrator."""
        told = ["psql", "--no-psqlrc", f"--dbname={database}", "-Atc", query]
        return must(in_postgres(self.program(), *told), self.variables()).strip()

    def inside(self, service: str, *command: str) -> str:
        """Run a command in a service's container."""
        return must(["docker", "exec", self.inspected(service)[0]["Id"], *command])

    def run(self, service: str, *command: str) -> str:
        """A one-off container: the demo, an operator's command. What it says anywhere."""
        told = [*self.program(), "run", "--rm", "--no-deps", "-T", service, *command]
        return must(told, self.variables(), both=True)

    def choose(self, name: str, value: str) -> None:
        """Change a line of the site's own settings; containers that are made from now on see it."""
        file = self.folder / "compose.env"
        lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}=")]
        file.write_text("\n".join([*lines, f"{name}={value}"]) + "\n")

    def down(self) -> None:
        """Remove everything that it made."""
        self.client.close()
        for is_last in (False, False, True):
            try:
                self.compose("down", "--volumes", "--remove-orphans")
            except AssertionError as fault:
                # The engine lets go of a container's network a moment after the container.
                if is_last or "has active endpoints" not in str(fault):
                    raise
                time.sleep(2.0)
            else:
                return

    def token(self, person: str) -> str:
        """Of the demo's issuer, for a while. The administrator is the demo's: there may be only one
        first."""
        known, until = self._tokens.get(person, ("", 0.0))
        if time.monotonic() < until:
            return known
        wanted = {"staff": f"{OFFICE}-{person}", "office": OFFICE, "roles": STAFF[person]}
        if person == "admin":
            wanted |= {"staff": ADMINISTRATOR, "office": "astana-main"}
        made = str(self.client.post("/issuer/tokens", json=wanted).json()["token"])
        self._tokens[person] = made, time.monotonic() + TOKEN_S
        return made

    def forget_tokens(self) -> None:
        """The next requests come with new ones."""
        self._tokens.clear()

    def ask(
        self, method: str, path: str, person: str, body: object = None, key: str | None = None
    ) -> httpx.Response:
        """Through the edge."""
        headers = {"Authorization": f"Bearer {self.token(person)}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.client.request(method, path, json=body, headers=headers)

    def open_office(self) -> None:
        """The people of the office that runs by rule; then it takes applications."""
        people = {ADMINISTRATOR: ("astana-main", ["administrator"])}
        people |= {f"{OFFICE}-{person}": (OFFICE, roles) for person, roles in STAFF.items()}
        for staff, (office, roles) in people.items():
            member = {"office": office, "roles": roles, "full_name": f"Synthetic {staff}"}
            told = self.ask("PUT", f"/routing/staff/{staff}", "admin", member)
            assert told.is_success, told.text
        deadline = time.monotonic() + WAIT_S
        while not self.lodge().is_success:
            assert time.monotonic() < deadline
            time.sleep(0.3)

    def lodge(self) -> httpx.Response:
        """A case that goes straight through by rule, to a message to the applicant. Where a
        connection breaks and nobody answers, it is asked again, by the same key, as clients of
        HTTP do; `broken` counts that."""
        body = application("employment-referral", result_kind="youth-practice", notice="sms")
        body["applicant"]["phone"] = "+77010000000"
        told = ("POST", "/intake/applications", "saule", body, str(uuid.uuid4()))
        for _ in range(CONNECTS_MAX):
            try:
                return self.ask(*told)
            except httpx.TransportError:
                self.broken += 1
                time.sleep(0.2)
        return self.ask(*told)

    def until_issued(self, cases: Sequence[str]) -> None:
        """Wait until casebook shows every case's result; as long as there are more and more."""
        deadline, waiting = time.monotonic() + WAIT_S, set(cases)
        while waiting:
            left = waiting - set(self._issued(waiting))
            if left != waiting:
                deadline = time.monotonic() + WAIT_S
            waiting = left
            assert time.monotonic() < deadline, f"{len(waiting)} wait: {sorted(waiting)[:3]}"
            time.sleep(0.3)

    def _issued(self, wanted: set[str]) -> Iterator[str]:
        """Cases with a result, the newest first, until all that are wanted have been shown."""
        missing, after = set(wanted), ""
        while missing:
            path = f"/casebook/cases?state=issued&limit={PAGE}{after}"
            answer = self.ask("GET", path, "saule")
            if not answer.is_success:
                return  # it only comes up again
            page = answer.json()
            found = [each["case_id"] for each in page["cases"]]
            yield from found
            missing -= set(found)
            if page["next"] is None:
                return
            after = f"&after={page['next']}"

    def verify(self) -> None:
        """Journals, log and read side are equal, and nothing is there twice."""
        said = self.run("auditor", "services.program", "audit", "verify")
        assert "everything is as it was told" in said, said


def must(
    command: Sequence[str], variables: dict[str, str] | None = None, *, both: bool = False
) -> str:
    """What it prints; what it complained about is in the failure, or (`both`) before it."""
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stderr + done.stdout if both else done.stdout


def _compose() -> list[str]:
    if shutil.which("docker-compose") is not None:
        return ["docker-compose"]
    return ["docker", "compose"]
