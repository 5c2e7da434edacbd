"""Runs a command with a Docker engine: `python -m deploy.images.engine [--if-any] COMMAND...`.

One that answers is used. Where none does, root starts one for the time of the command, in a folder
of its own. Where none can be started this says so, loudly: nothing was tried, and nobody is to
think that it was. That is a failure, but for who asked for it only if there is any.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IF_ANY = "--if-any"
ELSEWHERE = ":/usr/sbin:/sbin"
"""Where programs for root lie, which need not be on root's path."""
START_WITHIN_S = 30.0
STOP_WITHIN_S = 60.0


class NoEngine(Exception):
    """There is none, and why none could be started."""


@contextmanager
def engine() -> Iterator[dict[str, str]]:
    """The environment in which `docker` finds an engine. Raises NoEngine."""
    variables = dict(os.environ)
    variables["PATH"] = os.environ.get("PATH", "") + ELSEWHERE
    if not _composes(variables):
        raise NoEngine("neither docker-compose nor docker compose is installed")
    if answers(variables):
        yield variables
        return
    program = shutil.which("dockerd", path=variables["PATH"])
    if program is None:
        raise NoEngine("no engine answers, and dockerd is not installed")
    if os.geteuid() != 0:
        raise NoEngine("no engine answers, and only root can start one")
    folder = Path(tempfile.mkdtemp(prefix="qyzmet-engine-"))
    variables["DOCKER_HOST"] = f"unix://{folder}/socket"
    places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [program, *places, f"--pidfile={folder}/pid", f"--host=unix://{folder}/socket"],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(running, variables, folder)
        yield variables
    finally:
        running.terminate()
        running.wait(STOP_WITHIN_S)
        shutil.rmtree(folder, ignore_errors=True)


def answers(variables: dict[str, str]) -> bool:
    """Is there a docker, and an engine behind it?"""
    if shutil.which("docker") is None:
        return False
    asked = ["docker", "info", "--format", "{{.ServerVersion}}"]
    done = subprocess.run(asked, env=variables, capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


def _composes(variables: dict[str, str]) -> bool:
    """Is there a program that reads compose files, of either spelling?"""
    if shutil.which("docker-compose") is not None:
        return True
    if shutil.which("docker") is None:
        return False
    asked = ["docker", "compose", "version"]
    return subprocess.run(asked, env=variables, capture_output=True, check=False).returncode == 0


def _wait(running: "subprocess.Popen[bytes]", variables: dict[str, str], folder: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not answers(variables):
        if running.poll() is not None or time.monotonic() > deadline:
            words = (folder / "log").read_text(errors="replace").splitlines()[-5:]
            raise NoEngine("dockerd does not start here: " + "\n".join(words))
        time.sleep(0.3)


def main() -> int:
    """Run the command; its exit code."""
    if_any = sys.argv[1] == IF_ANY
    try:
        with engine() as variables:
            return subprocess.run(sys.argv[1 + if_any :], env=variables, check=False).returncode
    except NoEngine as fault:
        bar = "!" * 88
        sys.stderr.write(f"{bar}\nNOT TRIED: the system in containers. {fault}\n{bar}\n")
        return int(not if_any)


if __name__ == "__main__":
    sys.exit(main())
