"""Postgres refuses to run as root: which account it gets instead, and what that one can reach."""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import CannotStart

# Accounts that own nothing and may log in nowhere, the most usual first.
UNPRIVILEGED = ("nobody", "daemon", "games", "bin")
# Root's choice when its own folders are closed to others: it outlives a restart of the machine.
SHARED_PLACE = Path("/var/lib/qyzmet")


@dataclass(frozen=True)
class Account:
    """A user of this machine, by number."""

    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """None: run as who we are. As root: the owner of existing data, else an unprivileged user."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    known = ", ".join(UNPRIVILEGED)
    raise CannotStart(f"Postgres cannot run as root, and this machine has none of: {known}")


def can_reach(path: Path, account: Account | None) -> bool:
    """May the account walk down to this path and read it?"""
    if account is None:
        return True
    path = path.resolve()
    doors = all(_allows(parent, account, walk=True) for parent in path.parents)
    return doors and _allows(path, account, walk=path.is_dir())


def _allows(path: Path, account: Account, *, walk: bool) -> bool:
    """The ordinary permission bits, judged as the kernel does: the first that fits decides."""
    status = path.stat()
    read, run = stat.S_IROTH, stat.S_IXOTH
    wanted = run if walk else read
    if status.st_uid == account.uid:
        wanted <<= 6
    elif status.st_gid == account.gid:
        wanted <<= 3
    return bool(status.st_mode & wanted)


def shared_place() -> Path:
    """A folder that every account can walk through."""
    for place in (SHARED_PLACE, Path(tempfile.gettempdir()) / "qyzmet"):
        try:
            place.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        if place.stat().st_uid == os.geteuid():  # in a common folder, never use a stranger's
            place.chmod(0o755)
            return place
    raise CannotStart(f"no folder for Postgres: neither {SHARED_PLACE} nor a temporary one")


def open_copy(root: Path, folders: Sequence[str], name: str) -> Path:
    """A copy of some folders below a root, laid out alike, that every account can read and run."""
    target = shared_place() / name
    if target.exists():
        return target
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{name}-"))
    for folder in folders:
        shutil.copytree(root / folder, draft / folder, ignore=shutil.ignore_patterns("include"))
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            runnable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runnable else 0o644)
    try:
        draft.rename(target)
    except OSError:
        if not target.exists():
            raise
        shutil.rmtree(draft)  # another run was quicker
    return target
