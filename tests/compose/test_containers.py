"""The system in containers: what each can do, what is shown of it, what it survives."""

import base64
import json
import mmap
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.environment import SERVICES
from tests.compose.composed import PROJECT, Composed, must

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
    secrets = list(_secrets(composed.folder / "secrets"))
    assert len(secrets) > len(SERVICES) + 2 * len(("edge", "postgres", "kafka", "ca"))
    shown = json.dumps(composed.inspected()).encode()
    logs = subprocess.run(
        [*composed.program(), "logs", "--no-color"],
        env=composed.variables(),
        capture_output=True,
        check=True,
    ).stdout
    images = {each["Image"] for each in composed.inspected()}
    saved = tmp_path / "images.tar"
    must(["docker", "save", "--output", str(saved), *sorted(images)])
    assert saved.stat().st_size > 100 * 1024 * 1024
    with saved.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as layers:
        assert layers.find(b"kz.qyzmet.sbom") > 0  # what is in there can be found
        for secret in secrets:
            for form in (secret, base64.b64encode(secret), secret.hex().encode()):
                assert form not in shown
                assert form not in logs
            assert layers.find(secret) < 0


def _secrets(folder: Path) -> Iterator[bytes]:
    """Every password and key, as the bytes that would give it away."""
    for file in sorted(folder.iterdir()):
        text = file.read_bytes()
        if file.suffix == ".crt" or file.name == "token-keys.json":
            continue  # for everybody to see
        if file.name == "issuer-keys.json":
            yield json.loads(text)["keys"][0]["d"].encode()
        elif b"PRIVATE" in text:
            yield text.split(b"\n")[1]  # the first line of a key differs from key to key
        else:
            yield text


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
