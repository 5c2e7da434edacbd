"""Backups of the databases: `python -m deploy.site.backups save|restore FOLDER -- COMPOSE...`.

The log needs none where it has three copies; from one broker it is made again from the journals.
What a restored database lacks, each stage reads back from the log (docs/how-to/restore.md).
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.environment import SERVICES
from deploy.privileges.grants import DATABASE, PRIVACY
from deploy.site.rolling import containers, must, wait_healthy

# Inside the container, on its socket: the password is in a file there and is shown nowhere.
AS_ADMINISTRATOR = (
    'export PGPASSWORD="$(head -n 1 /run/secrets/administrator_password)" PGHOST=/tmp'
    ' PGUSER=administrator; exec "$@"'
)


def save(compose: Sequence[str], folder: Path) -> None:
    """One file for each database, while the system works. The one with the keys is kept apart:
    what is erased must not live on in it for long."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for database in (DATABASE, PRIVACY):
        file = folder / f"{database}.dump"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            command = in_postgres(compose, "pg_dump", "--format=custom", database)
            subprocess.run(command, check=True, stdout=target)
        sys.stdout.write(f"{file}: {file.stat().st_size} bytes\n")


def restore(compose: Sequence[str], folder: Path) -> None:
    """Put both databases back, into a server that may be empty; services stand still meanwhile."""
    must([*compose, "stop", *SERVICES])
    must([*compose, "up", "--detach", "--no-deps", "postgres"])
    wait_healthy(containers(compose, "postgres"))
    must([*compose, "run", "--rm", "--no-deps", "-T", "set-up-databases"])  # the roles
    for database in (DATABASE, PRIVACY):
        must(in_postgres(compose, "dropdb", "--if-exists", "--force", database))
        must(in_postgres(compose, "createdb", "--template=template0", database))
        command = in_postgres(compose, "pg_restore", "--exit-on-error", f"--dbname={database}")
        with (folder / f"{database}.dump").open("rb") as source:
            subprocess.run(command, check=True, stdin=source)
        sys.stdout.write(f"{database} is restored\n")
    must([*compose, "run", "--rm", "--no-deps", "-T", "set-up-databases"])  # what is no dump's
    must([*compose, "start", *SERVICES])


def in_postgres(compose: Sequence[str], *command: str) -> list[str]:
    """A command in the container of Postgres, as the administrator."""
    (container,) = containers(compose, "postgres")
    shell = ["docker", "exec", "--interactive", container, "sh", "-c", AS_ADMINISTRATOR, "sh"]
    return [*shell, *command]


if __name__ == "__main__":
    act, place, _, *program = sys.argv[1:]
    {"save": save, "restore": restore}[act](program, Path(place))
