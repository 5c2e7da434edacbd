"""What `make contracts` writes, written once for all tests that look at it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "contracts"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all documents, fresh. In a process of its own, as `make contracts` has it."""
    folder = tmp_path_factory.mktemp("contracts")
    subprocess.run(
        [sys.executable, "-m", "deploy.contracts", "--into", str(folder)],
        check=True,
        cwd=ROOT,
        timeout=100,
    )
    return folder
