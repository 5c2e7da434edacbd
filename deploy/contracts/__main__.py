"""`python -m deploy.contracts`: write what is published under docs/contracts (`make contracts`).

A new version of an event is frozen at once, like its line in the catalogue. Routes are frozen
when they are released: `--release`, refused while a released route has changed incompatibly.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.contracts import asyncapi, events, openapi
from deploy.contracts.compatibility import broken_events, broken_routes
from shared.version import VERSION

ROOT: Final = Path(__file__).parents[2]
PUBLISHED: Final = ROOT / "docs" / "contracts"
FROZEN: Final = ROOT / "tests" / "contracts" / "released"
SAMPLES: Final = ROOT / "tests" / "contracts" / "samples"


def main() -> int:
    """Write, freeze, release; 1 when a released contract would break."""
    reader = argparse.ArgumentParser(prog="python -m deploy.contracts", description=__doc__)
    reader.add_argument("--into", type=Path, default=PUBLISHED, help="where to write instead")
    reader.add_argument("--release", action="store_true", help="freeze all routes as they are")
    asked = reader.parse_args()
    schemas = events.schemas(FROZEN / "events")
    services = openapi.documents()
    _write(asked.into / "events", schemas)
    _write(asked.into / "openapi", services)
    _write(asked.into, {"asyncapi": asyncapi.document(VERSION, schemas, SAMPLES)})
    if asked.into != PUBLISHED:
        return 0
    _freeze_new(schemas)
    faults = broken_events(frozen(FROZEN / "events"), schemas)
    faults += broken_routes(frozen(FROZEN / "openapi"), services)
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201 - the answer of this command
    if asked.release and not faults:
        _write(FROZEN / "openapi", services)
    return 1 if faults else 0


def frozen(folder: Path) -> dict[str, Any]:
    """The released documents of a folder, by name."""
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text("utf-8"))
        for file in sorted(folder.iterdir())
    }


def _freeze_new(schemas: Mapping[str, Any]) -> None:
    folder = FROZEN / "events"
    new = {name: schema for name, schema in schemas.items() if not _file(folder, name).exists()}
    _write(folder, new, keep_others=True)


def _write(folder: Path, documents: Mapping[str, Any], *, keep_others: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        _file(folder, name).write_text(text, encoding="utf-8")
    if not keep_others:
        for file in folder.glob("*.json"):
            if file.name.removesuffix(".json") not in documents:
                file.unlink()


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


if __name__ == "__main__":
    sys.exit(main())
