"""One installation for all tests of it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.images.__main__ import build
from deploy.images.engine import answers
from deploy.local.ports import free_ports
from tests.compose.composed import PROJECT, Composed, must
from tests.compose.watch import started
from tests.faults.stand import FULL

KINDS = ("container", "volume", "network")
only_in_full = pytest.mark.skipif(not FULL, reason="long: QYZMET_FAULTS=full make test-compose")


@contextmanager
def installation(brokers: int, *profiles: str) -> Iterator[Composed]:
    """Up for the time of a block; one at a time, for they have one name. Nothing is left of it."""
    if not answers(dict(os.environ)):
        pytest.fail("no Docker engine answers: run `make test-compose`, which says what it needs")
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-composed-"))
    found = Composed(folder, free_ports(1)[0], brokers, profiles)
    found.prepare()
    try:
        found.up()
        yield found
    finally:
        found.down()
        shutil.rmtree(folder)
    assert {kind: _remains(kind) for kind in KINDS} == dict.fromkeys(KINDS, "")


def _remains(kind: str) -> str:
    """What the engine still has of it."""
    everything = ["--all"] if kind == "container" else []
    marked = ["--filter", f"label=com.docker.compose.project={PROJECT}"]
    return must(["docker", kind, "ls", "--quiet", *everything, *marked])


@pytest.fixture(scope="session")
def composed() -> Iterator[Composed]:
    """One broker, and the demo's issuer. The commands that `make` starts find it, as they do there:
    by their environment."""
    with installation(1, "demo") as found, pytest.MonkeyPatch.context() as exported:
        for name, value in found.variables().items():
            if name.startswith("QYZMET_"):
                exported.setenv(name, value)
        yield found


@pytest.fixture(scope="session")
def server(opened: Composed) -> str:
    """Prometheus, on its internal network; the machine that hosts it can reach it there."""
    build(only=["prometheus"])
    return started(opened)


@pytest.fixture(scope="session")
def opened(composed: Composed) -> Composed:
    """With an office that takes applications."""
    composed.open_office()
    return composed
