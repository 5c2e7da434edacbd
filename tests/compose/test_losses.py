"""A database lost and restored, a log lost and written anew: nothing is lost."""

from pathlib import Path

import pytest

from deploy.local.environment import SERVICES
from deploy.site.backups import restore, save
from tests.compose.composed import PROJECT, Composed, must
from tests.compose.conftest import only_in_full

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200), only_in_full]


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
    opened.until_issued(lodge(opened, 1))


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
    opened.until_issued(lodge(opened, 1))
