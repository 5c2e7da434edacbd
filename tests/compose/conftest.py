"""One installation for all tests of it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.images.engine import answers
from deploy.local.ports import free_ports
from tests.compose.composed import Composed


@pytest.fixture(scope="session")
def composed() -> Iterator[Composed]:
    """Up, with the demo's issuer; afterwards nothing of it is left."""
    if not answers(dict(os.environ)):
        pytest.fail("no Docker engine answers: run `make test-compose`, which says what it needs")
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-composed-"))
    found = Composed(folder, free_ports(1)[0])
    found.prepare()
    try:
        found.up()
        yield found
    finally:
        found.down()
        shutil.rmtree(folder)
