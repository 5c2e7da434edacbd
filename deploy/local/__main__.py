"""The run without Docker as commands, behind `make run`, `demo`, `status` and `clean`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.environment import CLIENT_FILE, outer_environment, read_client_file
from deploy.local.errors import CannotStart
from deploy.local.lock import LOCK_FILE, is_locked
from deploy.local.progress import alarm, say
from deploy.local.settings import LocalSettings
from deploy.local.system import MODULES, LocalSystem, remove, running

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Folder = Annotated[Path | None, typer.Option(help="where the data lies")]
PortBase = Annotated[int | None, typer.Option(min=1024, max=65000, help="the first port")]
StoresOnly = Annotated[bool, typer.Option(help="only Kafka and Postgres, to mend the log")]
Replicas = Annotated[int | None, typer.Option(min=1, max=2, help="replicas of each stage")]


@app.command()
def run(
    folder: Folder = None,
    port_base: PortBase = None,
    replicas: Replicas = None,
    stores_only: StoresOnly = False,
) -> None:
    """Start everything and stay until Ctrl-C."""
    settings = _settings(folder, port_base, replicas)
    modules = {} if stores_only else MODULES
    with _plainly(), running(LocalSystem(settings, modules)) as system:
        _print_table(system)
        say("Ctrl-C ends it; the data stays for the next run")
        system.supervise()


@app.command()
def demo(folder: Folder = None, port_base: PortBase = None) -> None:
    """Take cases through a running system, or through one started for the purpose."""
    settings = _settings(folder, port_base, None)
    with _plainly():
        if is_locked(settings.folder):
            code = _play(settings.folder)
        else:
            with running(LocalSystem(settings)) as system:
                code = _play(system.folder)
    raise typer.Exit(code)


@app.command()
def status(folder: Folder = None) -> None:
    """Say whether a run is on the folder, and where its parts are."""
    place = _settings(folder, None, None).folder
    if not is_locked(place):
        say(f"nothing runs on {place}")
        raise typer.Exit(1)
    if not (place / CLIENT_FILE).exists():
        say(f"a run on {place} is starting or stopping")
        raise typer.Exit(1)
    for key, value in read_client_file(place).items():
        if key.endswith("_URL") and value.startswith("http"):
            name = key.removeprefix("QYZMET_").removesuffix("_URL").lower()
            sys.stdout.write(f"{name:10} {value}\n")


@app.command()
def clean(folder: Folder = None) -> None:
    """Delete what runs have kept; refuses while one is running."""
    place = _settings(folder, None, None).folder
    with _plainly():
        if not place.exists():
            say(f"{place} is not there: nothing to clean")
            return
        if not (place / LOCK_FILE).exists():
            raise CannotStart(f"{place} is not a folder of a run; it stays as it is")
        remove(place)
        say(f"{place} is gone")


def _settings(folder: Path | None, port_base: int | None, replicas: int | None) -> LocalSettings:
    given = {"folder": folder, "port_base": port_base, "replicas": replicas}
    chosen = {key: value for key, value in given.items() if value is not None}
    return LocalSettings().model_copy(update=chosen)


@contextmanager
def _plainly() -> Iterator[None]:
    """SIGTERM is as Ctrl-C; what prevents a start is a message, not a traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except CannotStart as error:
        alarm(str(error))
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _play(folder: Path) -> int:
    """The demonstration is a command of the command line; it finds the run by its client file."""
    program = Path(sys.executable).with_name("qyzmet")
    variables = {**outer_environment(), **read_client_file(folder)}
    return subprocess.run([str(program), "demo"], env=variables, check=False).returncode


def _print_table(system: LocalSystem) -> None:
    table = Table("what", "where", "process")
    table.add_column("log", overflow="fold")
    folder = Path(os.path.relpath(system.folder))
    for part in system.parts:
        child = part.child
        where = system.services[child.name].url if child.name in system.services else ""
        if child is system.postgres.child:
            where = f"127.0.0.1:{system.postgres.port}"
        elif child is system.broker.child:
            where = system.broker.bootstrap
        log = folder / child.log_file.relative_to(system.folder)
        table.add_row(child.name, where, str(child.pid), str(log))
    Console().print(table)


if __name__ == "__main__":
    app()
