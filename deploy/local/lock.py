"""One run at a time on a data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import AlreadyRunning

LOCK_FILE = "qyzmet.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder. The kernel lets go when we die, however we die."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise AlreadyRunning(
                f"the system is running on {folder} already (process {holder}); "
                "end that run first, or choose another QYZMET_FOLDER and QYZMET_PORT_BASE"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Is a run on this folder?"""
    if not (folder / LOCK_FILE).exists():
        return False
    try:
        with (folder / LOCK_FILE).open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
