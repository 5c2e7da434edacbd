"""What the compose file promises, read from the file: of services that come later, too."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.environment import SERVICES
from deploy.privileges.table import PRINCIPALS
from deploy.site.__main__ import prepare
from shared.addresses import kafka_address, without_password_file
from shared.http.server import STOP_S_MAX
from shared.messaging.stopping import STOP_WAIT_S

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
PROFILES = ("cluster", "demo", "demo-run", "observe", "tools")
JOBS = {"set-up-log", "set-up-databases"}
OPEN_NETWORKS = {"public", "outside"}
PRODUCER_STOPS_S = 3.0
each_part = pytest.mark.parametrize("name", PARTS)


@each_part
def test_each_part_is_kept_small(name: str) -> None:
    part = PARTS[name]
    assert part["cap_drop"] == ["ALL"]
    assert "cap_add" not in part
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["read_only"] is True
    assert 0 < part["pids_limit"] <= 512
    assert re.fullmatch(r"\d+m", part["mem_limit"])
    assert part["logging"]["options"].keys() == {"max-size", "max-file"}
    assert part["restart"] == ("no" if name in JOBS or _is_run_by_hand(part) else "unless-stopped")
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "build"} & part.keys()


def _is_run_by_hand(part: dict[str, Any]) -> bool:
    return bool({"tools", "demo-run"} & set(part.get("profiles", ())))


@each_part
def test_nobody_runs_as_root_and_every_image_can_be_chosen(name: str) -> None:
    image, user = PARTS[name]["image"], PARTS[name].get("user")
    assert re.fullmatch(r"\$\{QYZMET_[A-Z_]*IMAGE:-[^}]+\}", image)
    if "QYZMET_IMAGE" in image:
        assert user is None  # the Dockerfile says it
        dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
        assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    else:
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(user))


def test_only_the_edge_can_be_reached_from_outside() -> None:
    assert [name for name, part in PARTS.items() if "ports" in part] == ["edge"]
    assert PARTS["edge"]["ports"] == ["${QYZMET_EDGE_ADDRESS:-127.0.0.1:8443}:8443"]
    networks = COMPOSE["networks"]
    assert {name for name, each in networks.items() if not each.get("internal")} == OPEN_NETWORKS
    on = {name: set(part["networks"]) for name, part in PARTS.items()}
    assert {name for name, found in on.items() if "public" in found} == {"edge"}
    assert {name for name, found in on.items() if "outside" in found} == {"notify"}
    assert on["edge"] == {"public", "edge"}
    assert on["postgres"] == {"databases"}
    assert {name for name, found in on.items() if found == {"log"}} == {
        "kafka-1", "kafka-2", "kafka-3", "set-up-log",
    }  # fmt: skip


@each_part
def test_no_secret_is_told_but_in_a_file(name: str) -> None:
    part = PARTS[name]
    given = set(part.get("secrets", ()))
    for key, value in part.get("environment", {}).items():
        text = str(value)
        assert not re.search(r"://[^@/]*:[^@/]*@", text), f"{key}: a password in an address"
        if re.search("PASSWORD|SECRET|KEY", key):
            assert text.startswith("/run/secrets"), key
        for file in re.findall(r"/run/secrets/(\w+)", text):
            assert file in given, f"{key} names {file}, which {name} is not given"
    assert given <= COMPOSE["secrets"].keys()


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_comes_as_itself(name: str) -> None:
    told, given = PARTS[name]["environment"], PARTS[name]["secrets"]
    own = Path(f"/run/secrets/{name}_password")
    address = kafka_address(told["QYZMET_KAFKA"].replace("${QYZMET_BROKERS:-kafka-1:9092}", "k:1"))
    assert address.login is not None
    assert (address.login.user, address.login.password_file) == (name, own)
    for url in (told["QYZMET_DATABASE_URL"], told["QYZMET_PRIVACY_URL"]):
        rest, file = without_password_file(url)
        assert file == own
        assert rest.startswith(f"postgresql://{name}@postgres:5432/")
        assert "sslmode=verify-full&sslrootcert=/run/secrets/authority" in rest
    assert [each for each in given if each.endswith("_password")] == [own.name]
    assert "administrator_password" not in given


def test_only_the_set_up_has_the_passwords_of_all() -> None:
    wanted = {f"{principal.name}_password" for principal in PRINCIPALS}
    for job in JOBS:
        assert wanted <= set(PARTS[job]["secrets"])
    for name, part in PARTS.items():
        if name not in JOBS:
            assert len(wanted & set(part.get("secrets", ()))) <= 1, name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_time_to_stop_and_waits_for_the_set_up(name: str) -> None:
    grace_s = int(PARTS[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s > STOP_S_MAX + STOP_WAIT_S + PRODUCER_STOPS_S
    assert PARTS[name]["depends_on"] == {
        job: {"condition": "service_completed_successfully"} for job in JOBS
    }


@pytest.mark.parametrize("brokers", [1, 3])
def test_every_file_that_it_mounts_is_made_and_closed(tmp_path: Path, brokers: int) -> None:
    site = tmp_path / "site"
    prepare(site, brokers)
    for name, secret in COMPOSE["secrets"].items():
        file = Path(secret["file"].replace("${QYZMET_SITE:-../.site}", str(site)))
        mode = stat.S_IMODE(file.stat().st_mode)
        assert file.stat().st_size > 0
        assert mode in ({0o644} if name == "authority" else {0o400, 0o444}), name
    assert stat.S_IMODE((site / "secrets").stat().st_mode) == 0o700
    before = {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    prepare(site, brokers)
    assert {file: file.read_bytes() for file in site.rglob("*") if file.is_file()} == before
    for number in range(1, brokers + 1):
        assert (site / "kafka" / f"kafka-{number}.properties").exists()


@pytest.mark.parametrize("chosen", [(), *((each,) for each in PROFILES), PROFILES])
def test_both_programs_read_it(chosen: tuple[str, ...]) -> None:
    """What is at hand of `docker-compose` and `docker compose`, with each profile and with all."""
    found = [each for each in (["docker-compose"], ["docker", "compose"]) if _works(each)]
    if not found:
        pytest.skip("neither docker-compose nor docker compose is installed")
    for program in found:
        told = [*program, "-f", str(FILE), *(f"--profile={each}" for each in chosen), "config"]
        done = subprocess.run([*told, "--quiet"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (program, chosen, done.stderr)


def _works(program: list[str]) -> bool:
    if shutil.which(program[0]) is None:
        return False
    return subprocess.run([*program, "version"], capture_output=True, check=False).returncode == 0
