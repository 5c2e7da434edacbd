"""What documents name is there: files, links, settings, targets of make."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.settings import LocalSettings
from services.casebook.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "services/*/README.md")
    for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([^`\s]+)`")
TOP = ("services/", "shared/", "deploy/", "tests/", "docs/", ".ci/")
TARGET = re.compile(r"\bmake ([a-z][a-z-]+)\b")
PLACEHOLDER = re.compile(r"[<>*…{]|\.\.\.")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_is_there(page: Path) -> None:
    assert [path for path in _paths(page) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_target_of_make_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    quoted = " ".join(re.findall(r"`[^`]*`", page.read_text(encoding="utf-8")))
    assert set(TARGET.findall(quoted)) - targets == set()


def test_the_readme_names_every_setting() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fields = {*Settings.model_fields, *LocalSettings.model_fields}
    assert [field for field in sorted(fields) if f"`QYZMET_{field.upper()}`" not in text] == []


def _paths(page: Path) -> Iterator[str]:
    """Quoted words that are paths of this repository; `file.py::test` names a test in it."""
    for word in QUOTED.findall(page.read_text(encoding="utf-8")):
        path, _, test = word.partition("::")
        if not path.startswith(TOP) or PLACEHOLDER.search(path):
            continue
        yield path
        if test:
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), word
