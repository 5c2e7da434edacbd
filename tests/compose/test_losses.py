"""A database lost and restored, a log lost and written anew, secrets changed: nothing is lost."""

import base64
import os
import uuid
from pathlib import Path

import pytest

from deploy.local.environment import SERVICES
from deploy.site.backups import restore, save
from deploy.site.rolling import roll
from tests.compose.composed import PROJECT, Composed, ended, lodging, must

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]


@pytest.fixture(autouse=True)
def told(composed: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make` exports to the commands."""
    for name, value in composed.variables().items():
        if name.startswith("QYZMET_"):
            monkeypatch.setenv(name, value)


def lodge(composed: Composed, count: int) -> list[str]:
    return [composed.lodge().json()["case_id"] for _ in range(count)]


def test_databases_are_wiped_and_restored_and_the_rest_is_read_back(
    opened: Composed, tmp_path: Path
) -> None:
    before = lodge(opened, 5)
    opened.until_issued(before)
    save(opened.program(), tmp_path)
    after = lodge(opened, 5)
    opened.until_issued(after)
    opened.compose("stop", *SERVICES, "postgres")
    opened.compose("rm", "--force", "postgres")
    must(["docker", "volume", "rm", f"{PROJECT}_postgres"])
    restore(opened.program(), tmp_path)
    opened.wait_healthy()
    opened.until_issued([*before, *after])
    opened.verify()
    ended(opened, [opened.lodge()])


def test_a_log_that_is_lost_is_written_anew_from_the_journals(opened: Composed) -> None:
    cases = lodge(opened, 5)
    opened.until_issued(cases)
    opened.compose("stop", *SERVICES, "kafka-1")
    opened.compose("rm", "--force", "kafka-1")
    must(["docker", "volume", "rm", f"{PROJECT}_kafka-1"])
    opened.compose("up", "--detach", "--no-deps", "kafka-1")
    opened.wait_healthy_stores()
    opened.run("set-up-log")
    opened.run("operator", "services.program", "log", "republish", "--apply", "--yes")
    opened.compose("start", *SERVICES)
    opened.wait_healthy()
    opened.until_issued(cases)
    opened.verify()
    ended(opened, [opened.lodge()])


def test_passwords_and_the_master_key_are_changed_while_cases_run(opened: Composed) -> None:
    secret = opened.folder / "secrets"
    with lodging(opened) as answers:
        for name in ("executor", "casebook"):
            overwrite(secret / f"{name}_password", f"changed-{uuid.uuid4()}".encode())
        opened.run("set-up-databases")
        opened.run("set-up-log")
        old = secret / "master.key"
        line = base64.urlsafe_b64encode
        lines = [b"1 " + line(old.read_bytes()), b"2 " + line(os.urandom(32))]
        overwrite(old, b"\n".join(lines) + b"\n")
        for name in SERVICES:
            roll(opened.program(), name)
        assert int(opened.run("rewrap").split()[-1]) > 0
        overwrite(old, lines[1] + b"\n")
        for name in SERVICES:
            roll(opened.program(), name)
    refused = [f"{each.status_code} {each.text[:200]}" for each in answers if not each.is_success]
    assert refused == []
    ended(opened, answers)


def overwrite(file: Path, content: bytes) -> None:
    """In place: what is bound into a container is the file, not its name."""
    file.chmod(0o600)
    file.write_bytes(content)
    file.chmod(0o400)
