"""The pure modules touch nothing: no I/O, no clock, no randomness, whoever they import.

`.importlinter` says which services may import which; here every import of a pure module is
followed through our own code, to the last.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = ("intake", "routing", "executor", "signing", "notify")
PURE = (
    "commands.py",
    "hindsight.py",
    "state.py",
    "rules.py",
    "reactions.py",
    "effects.py",
    "decider.py",
)
ALLOWED = {
    "builtins",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "json",
    "operator",
    "re",
    "types",
    "typing",
    "uuid",
    "zoneinfo",
    "itertools",
    "msgspec",
    "pydantic",
}
# `hashlib` and `json` compute; these name a clock or chance, wherever they are called.
FORBIDDEN_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "urandom", "open", "print", "input"}
# The regulations are read from files, and ids are made, by functions that no rule calls: the
# calls below are what is checked of these.
LEAVES = {
    "shared.clock",
    "shared.identifiers",
    "shared.procedures.catalogue",
    "shared.procedures.working_time",
}

PURE_FILES = sorted(
    path for stage in STAGES for name in PURE if (path := ROOT / "services" / stage / name).exists()
)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            yield node.module or ""


def file_of(module: str) -> Path | None:
    path = ROOT / Path(*module.split("."))
    for found in (path.with_suffix(".py"), path / "__init__.py"):
        if found.exists():
            return found
    return None


def reached(path: Path) -> dict[str, str]:
    """Every module that `path` needs, outside ours, and which of ours asks for it."""
    asked_by: dict[str, str] = {}
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for module in imports(current):
            ours = file_of(module)
            if ours is None:
                asked_by.setdefault(module.split(".")[0], str(current.relative_to(ROOT)))
            elif module not in LEAVES:
                waiting.append(ours)
    return asked_by


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute):
                yield called.attr
            elif isinstance(called, ast.Name):
                yield called.id


def test_all_stages_have_their_pure_files() -> None:
    missing = [
        f"{stage}/{name}"
        for stage in STAGES
        for name in PURE
        if name != "effects.py" and not (ROOT / "services" / stage / name).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_pure_module_reaches_no_io(path: Path) -> None:
    assert {name: by for name, by in reached(path).items() if name not in ALLOWED} == {}


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_pure_module_asks_neither_clock_nor_chance(path: Path) -> None:
    assert FORBIDDEN_CALLS.isdisjoint(calls(path))


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_stage_imports_no_other(path: Path) -> None:
    own = f"services.{path.parent.name}"
    foreign = [name for name in imports(path) if name.startswith("services.")]
    assert [name for name in foreign if not name.startswith(f"{own}.")] == []
