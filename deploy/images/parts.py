"""The list of what is in the image (CycloneDX 1.6), from the lock that it was installed from.

Two builds of one lock give the same list: it holds no time and no random number.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

LINE = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)")
HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


def parts(lock: str) -> Iterator[dict[str, Any]]:
    """A component for each package; every file of it that the lock allows, by its hash."""
    for block in re.split(r"\n(?=\S)", lock):
        named = LINE.match(block)
        if named is None:
            continue
        name, version = named["name"].lower().replace("_", "-"), named["version"]
        if not is_installed(name, version):  # of another system, by its marker
            continue
        package = f"pkg:pypi/{name}@{version}"
        hashes = [{"alg": "SHA-256", "content": digest} for digest in HASH.findall(block)]
        yield {
            "type": "library",
            "bom-ref": package,
            "name": name,
            "version": version,
            "purl": package,
            "hashes": hashes,
        }


def is_installed(name: str, version: str) -> bool:
    """Is it here, and in the version of the lock?"""
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    if found != version:
        raise ValueError(f"{name}: {found} is installed, {version} is locked")
    return True


def bill(lock: str) -> dict[str, Any]:
    """The whole document."""
    found = sorted(parts(lock), key=lambda each: str(each["bom-ref"]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "qyzmet", "name": "qyzmet"}},
        "components": found,
        "dependencies": [{"ref": "qyzmet", "dependsOn": [each["bom-ref"] for each in found]}],
    }


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    sys.stdout.write(json.dumps(bill(text), indent=1) + "\n")
