"""New certificates for servers that go on working: `python -m deploy.site.renewing SITE NAME...`,
by `make renew`.

The new key and certificate are written over the old ones, for a container sees the file that it was
given and no other of its name; then the server is told to read them. Connections that stand go on.
What follows `--` is the compose program with the options that name the installation.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.site.backups import in_postgres
from deploy.site.certificates import authority_in, reissue
from deploy.site.rolling import must


def renew(compose: Sequence[str], secrets: Path, name: str) -> None:
    """A new certificate for the edge, for Postgres or for the brokers."""
    stem = secrets / name
    certificate, key = reissue(authority_in(secrets), stem.with_suffix(".crt").read_bytes())
    overwrite(stem.with_suffix(".crt"), certificate)
    overwrite(stem.with_suffix(".key"), key)
    overwrite(stem.with_suffix(".pem"), key + certificate)
    if name in TELL:  # the edge reads its file for each connection
        TELL[name](compose)
    sys.stdout.write(f"{name} has a new certificate\n")


def overwrite(file: Path, content: bytes) -> None:
    """The same file with other content: its owner and who may read it stay."""
    mode = file.stat().st_mode
    file.chmod(0o600)
    with file.open("r+b") as target:  # never empty in between
        target.write(content)
        target.truncate()
    file.chmod(mode)


def _tell_postgres(compose: Sequence[str]) -> None:
    asked = ["psql", "--quiet", "--dbname=postgres", "--command=SELECT pg_reload_conf()"]
    must(in_postgres(compose, *asked))


def _tell_brokers(compose: Sequence[str]) -> None:
    told = ["run", "--rm", "--no-deps", "-T", "set-up-log", "deploy.setup", "certificates"]
    must([*compose, *told])


TELL: Final[Mapping[str, Callable[[Sequence[str]], None]]] = {
    "postgres": _tell_postgres,
    "kafka": _tell_brokers,
}

if __name__ == "__main__":
    at = sys.argv.index("--")
    for name in sys.argv[2:at]:
        renew(sys.argv[at + 1 :], Path(sys.argv[1]) / "secrets", name)
