"""The system in containers: what each can do, what is shown of it, what it survives."""

import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from deploy.images.names import IMAGES
from deploy.local.environment import SERVICES, STAGES
from deploy.site.rolling import roll
from tests.compose.composed import PROJECT, Composed, ended, lodging, must

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]
TOOLS = ("pip", "pip3", "gcc", "cc", "c++", "make", "git", "curl", "wget")


def test_the_demo_ends_as_it_should_through_the_edge(composed: Composed) -> None:
    assert "21 of 21 as expected" in composed.run("demo")


def test_the_edge_speaks_http_2_and_hides_what_is_for_the_inside(composed: Composed) -> None:
    authority = str(composed.folder / "secrets" / "ca.crt")
    base = f"https://localhost:{composed.port}"
    asked = ["curl", "-s", "--cacert", authority, "-o", "/dev/null", "-w", "%{http_version}"]
    assert must([*asked, f"{base}/casebook/openapi.json"]) == "2"
    for path in ("metrics", "health/live", "health/ready"):
        assert composed.client.get(f"/intake/{path}").status_code == httpx.codes.NOT_FOUND
    plain = httpx.get(f"http://localhost:{composed.port}/casebook/openapi.json")
    assert plain.status_code == httpx.codes.BAD_REQUEST


def test_the_feed_comes_at_once_and_not_in_pieces(opened: Composed) -> None:
    headers = {"Authorization": f"Bearer {opened.token('saule')}"}
    with opened.client.stream("GET", "/casebook/feed", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        next(lines)
        case = opened.lodge().json()["case_id"]
        began = time.monotonic()
        assert any(case in line for line in lines)
        assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("name", [*SERVICES, "postgres", "kafka-1", "edge"])
def test_a_container_can_do_little(composed: Composed, name: str) -> None:
    shown = composed.inspected(name)[0]
    status = Path(f"/proc/{shown['State']['Pid']}/status").read_text()
    marks = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert marks["Uid"].split()[0] != "0"
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(marks[capabilities], 16) == 0, capabilities
    assert marks["NoNewPrivs"] == "1"
    assert marks["Seccomp"] == "2"
    limits = shown["HostConfig"]
    assert limits["Memory"] > 0
    assert limits["PidsLimit"] > 0
    assert limits["ReadonlyRootfs"]
    with pytest.raises(AssertionError, match="Read-only file system"):
        composed.inside(name, "sh", "-c", "echo > /etc/anything")


def test_nothing_but_the_edge_is_published(composed: Composed) -> None:
    published = {
        each["Name"]: each["HostConfig"]["PortBindings"]
        for each in composed.inspected()
        if each["HostConfig"]["PortBindings"]
    }
    assert len(published) == 1
    (address,) = next(iter(published.values()))["8443/tcp"]
    assert address == {"HostIp": "127.0.0.1", "HostPort": str(composed.port)}
    for network in ("edge", "log", "databases", "watch"):
        shown = json.loads(must(["docker", "network", "inspect", f"{PROJECT}_{network}"]))
        assert shown[0]["Internal"] is True


def test_who_has_nothing_to_say_to_each_other_cannot(composed: Composed) -> None:
    looks = "import socket,sys; socket.getaddrinfo(sys.argv[1], 1)"
    composed.inside("intake", "python3", "-c", looks, "postgres")
    composed.inside("intake", "python3", "-c", looks, "kafka-1")
    for stranger in ("postgres", "kafka-1"):
        with pytest.raises(AssertionError, match="gaierror"):
            composed.inside("issuer", "python3", "-c", looks, stranger)


def test_no_secret_is_shown_or_in_an_image(composed: Composed, tmp_path: Path) -> None:
    files = (composed.folder / "secrets").iterdir()
    texts = [file.read_bytes() for file in files if file.suffix not in {".crt", ".pem"}]
    secrets = [text for text in texts if len(text) < 100 or b"PRIVATE" in text]
    assert len(secrets) > len(SERVICES)
    shown = json.dumps(composed.inspected()).encode()
    logs = subprocess.run(
        [*composed.program(), "logs", "--no-color"],
        env=composed.variables(),
        capture_output=True,
        check=True,
    ).stdout
    saved = tmp_path / "image.tar"
    must(["docker", "save", "--output", str(saved), IMAGES["QYZMET_IMAGE"]])
    layers = saved.read_bytes()
    # Keys of 32 random bytes are searched as they are, keys in PEM by their first lines.
    for secret in secrets:
        piece = secret.split(b"\n")[1] if b"PRIVATE" in secret else secret
        for place in (shown, logs, layers):
            assert piece not in place


def test_the_image_holds_no_tools_and_says_what_it_holds(composed: Composed) -> None:
    for tool in TOOLS:
        with pytest.raises(AssertionError):
            composed.inside("intake", "sh", "-c", f"command -v {tool}")
    bill = json.loads(composed.inside("intake", "cat", "/opt/qyzmet/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    named = {each["name"]: each for each in bill["components"]}
    looks = (
        "import importlib.metadata as m; named = lambda d: d.name.lower().replace('_', '-');"
        "print(*sorted(named(d) + '=' + d.version for d in m.distributions(path=['/opt/qyzmet'])))"
    )
    installed = composed.inside("intake", "python3", "-c", looks).split()
    assert installed == sorted(f"{name}={each['version']}" for name, each in named.items())
    assert all(each["hashes"] for each in named.values())


def test_processes_that_crash_come_back_and_lose_nothing(opened: Composed) -> None:
    with lodging(opened) as answers:
        for stage in (*STAGES[1:], "casebook"):
            opened.crash(stage)
            time.sleep(3.0)
        opened.wait_healthy()
    # 503 says that nothing was recorded: a machine that starts five processes may be that slow.
    assert {each.status_code for each in answers} <= {201, 202, 503}
    assert sum(each.is_success for each in answers) > len(answers) / 2
    ended(opened, answers)


def test_a_rolling_restart_answers_every_request(opened: Composed) -> None:
    for name, value in opened.variables().items():
        if name.startswith("QYZMET_"):
            pytest.MonkeyPatch().setenv(name, value)
    with lodging(opened) as answers:
        for name in SERVICES:
            roll(opened.program(), name)
    refused = [f"{each.status_code} {each.text[:200]}" for each in answers if not each.is_success]
    assert refused == []
    ended(opened, answers)


def test_a_stage_is_scaled_and_back(opened: Composed) -> None:
    with lodging(opened) as answers:
        opened.compose("up", "--detach", "--no-deps", "--scale", "executor=2", "executor")
        opened.wait_healthy()
        assert len(opened.inspected("executor")) == 2
        time.sleep(5.0)
        opened.compose("up", "--detach", "--no-deps", "--scale", "executor=1", "executor")
        opened.wait_healthy()
    assert len(opened.inspected("executor")) == 1
    assert all(each.is_success for each in answers)
    ended(opened, answers)
