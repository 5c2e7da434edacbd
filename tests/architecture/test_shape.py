"""The shape of the code, where a reader relies on it and no tool checks it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("services", "shared", "deploy")
STAGES = ("intake", "routing", "executor", "signing", "notify")
# A stage is found to be like every other: the same names, wherever one looks.
STAGE_FILES = (
    "README.md",
    "__init__.py",
    "__main__.py",
    "commands.py",
    "hindsight.py",
    "reactions.py",
    "routes.py",
    "rules.py",
    "settings.py",
    "state.py",
    "wiring.py",
)
# A file about everything is about nothing.
NAMELESS = {"utils", "helpers", "common", "core", "base", "manager", "processor", "data", "info"}
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 350
TEST_FILE_LINES_MAX = 500
# Hosts of registries and folders of one machine: the code must be the same for everyone.
FOREIGN = re.compile(
    r"pypi\.org|pythonhosted|repo1?\.maven|maven\.org|registry\.npmjs"
    r"|(?<![\w.}])/(?:root|work|home)/"
)


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_functions_are_short_enough_to_read_at_once() -> None:
    long = [
        f"{name(file)}:{node.lineno} {node.name}"
        for file in modules(*CODE)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_are_about_one_thing() -> None:
    long = [
        name(file)
        for folders, limit in ((CODE, FILE_LINES_MAX), (("tests",), TEST_FILE_LINES_MAX))
        for file in modules(*folders)
        if len(file.read_text(encoding="utf-8").splitlines()) > limit
    ]
    assert long == []


def test_no_module_is_named_after_nothing() -> None:
    assert [name(file) for file in modules(*CODE) if file.stem in NAMELESS] == []


def test_the_environment_is_read_in_settings_only() -> None:
    # The run without Docker hands its own environment on to the processes it starts.
    readers = [
        name(file)
        for file in modules("services", "shared")
        if file.stem != "settings" and re.search(r"os\.(environ|getenv)", file.read_text("utf-8"))
    ]
    assert readers == []


def test_nothing_names_a_registry_or_one_machine() -> None:
    kinds = (".py", ".toml", ".yaml", ".yml", ".md", ".sql", ".jars", ".lock", "")
    folders = (*CODE, "tests", "docs", ".ci")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    files += [file for file in ROOT.iterdir() if file.is_file()]
    named = [
        f"{name(file)}: {found.group()}"
        for file in files
        if file.suffix in kinds and file != Path(__file__)
        for found in FOREIGN.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert named == []


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_the_same_files(stage: str) -> None:
    folder = ROOT / "services" / stage
    if not (folder / "__main__.py").exists():
        pytest.skip(f"the stage {stage} does not run yet")
    assert [file for file in STAGE_FILES if not (folder / file).exists()] == []
