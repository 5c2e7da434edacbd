"""One installation for all tests of it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.images.engine import answers
from deploy.local.ports import free_ports
from tests.compose.composed import Composed


@contextmanager
def installation(brokers: int, *profiles: str) -> Iterator[Composed]:
    """Up for the time of a block; one at a time, for they have one name."""
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


@pytest.fixture(scope="session")
def composed() -> Iterator[Composed]:
    """One broker, and the demo's issuer."""
    with installation(1, "demo") as found:
        yield found


@pytest.fixture(scope="session")
def opened(composed: Composed) -> Composed:
    """With an office that takes applications."""
    composed.open_office()
    return composed
