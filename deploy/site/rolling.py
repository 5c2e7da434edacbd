"""Changing a service while it works: `python -m deploy.site.rolling NAME...`, by `make roll`.

A second process of the new image comes up beside the old one; when it is healthy, the old one is
asked to stop. At every moment somebody answers. What follows `--` is the compose program with the
options that name the installation.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

HEALTHY_WITHIN_S = 180.0
LOOK_EVERY_S = 1.0
LAST_LINES = 20
ONE_OFF = "com.docker.compose.oneoff"


def roll(compose: Sequence[str], service: str) -> None:
    """Replace every process of a service, one at a time. Raises TimeoutError: the new one did not
    become healthy and is gone again, the old one works, and nothing was lost."""
    running = containers(compose, service)
    for old in running:
        known = set(containers(compose, service, even_still=True))
        # Those that stand still are counted too when it is told how many there are to be.
        count = len(known) + 1
        told = ["up", "--no-start", "--no-deps", "--no-recreate", "--scale", f"{service}={count}"]
        must([*compose, *told, service])
        (fresh,) = set(containers(compose, service, even_still=True)) - known
        # Its name leads to every container that runs, ready or not: the edge must not find it until
        # it is, so it starts on all networks but that one.
        wanted, there = networks(old), networks(fresh)
        edges = {name for name in wanted if name.endswith("_edge")}
        for name in there & edges:
            must(["docker", "network", "disconnect", name, fresh])
        # docker-compose would make some of its connections only when it starts a container.
        for name in wanted - there - edges:
            must(["docker", "network", "connect", "--alias", service, name, fresh])
        must(["docker", "start", fresh])
        try:
            wait_healthy([fresh])
        except TimeoutError:
            retire(fresh)
            raise
        for name in edges:
            must(["docker", "network", "connect", "--alias", service, name, fresh])
        retire(old)
    sys.stdout.write(f"{service}: {len(running)} replaced\n")


def retire(container: str) -> None:
    """Let it end what it is doing, and remove it."""
    must(["docker", "stop", "--time", "40", container])
    must(["docker", "rm", "--volumes", container])


def networks(container: str) -> set[str]:
    """Those that it is on."""
    (shown,) = json.loads(must(["docker", "inspect", container]))
    return set(shown["NetworkSettings"]["Networks"])


def containers(compose: Sequence[str], service: str, *, even_still: bool = False) -> list[str]:
    """Those of a service that run, or (`even_still`) all that there are; no single commands.

    Which of them `ps` lists by itself the two spellings of the compose program do not agree on.
    """
    there = must([*compose, "ps", "--all", "--quiet", service]).split()
    shown = json.loads(must(["docker", "inspect", *there])) if there else []
    return [
        each["Id"]
        for each in shown
        if each["Config"]["Labels"][ONE_OFF] == "False" and (even_still or each["State"]["Running"])
    ]


def wait_healthy(names: Sequence[str]) -> None:
    """Raises TimeoutError, which says why."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while True:
        shown = json.loads(must(["docker", "inspect", *names]))
        waited_for = [each for each in shown if each["State"]["Health"]["Status"] != "healthy"]
        if not waited_for:
            return
        if time.monotonic() > deadline:
            reports = "\n".join(map(report, waited_for))
            raise TimeoutError(f"not healthy within {HEALTHY_WITHIN_S:g} s:\n{reports}")
        time.sleep(LOOK_EVERY_S)


def report(shown: Mapping[str, Any]) -> str:
    """What there is to say of a container that is not healthy: its state, what its last health
    checks said, and its own last words. Logs hold no secrets and no personal data."""
    state, health = shown["State"], shown["State"]["Health"]
    checks = [
        f"{check['Start']} to {check['End']}: {check['ExitCode']} {check['Output'].strip()}"
        for check in health["Log"] or ()
    ]
    told = ["docker", "logs", "--tail", str(LAST_LINES), shown["Id"]]
    # Services write their log to stderr.
    logged = subprocess.run(
        told, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    how = f"{state['Status']}, {health['Status']}, started {shown['RestartCount'] + 1} times"
    return "\n".join(
        [
            f"{shown['Name'].lstrip('/')}: {how}, last at {state['StartedAt']}; health checks:",
            *(checks or ["none has ended"]),
            "log:",
            logged.stdout.rstrip(),
        ]
    )


def must(command: Sequence[str]) -> str:
    """What it prints. Raises CalledProcessError; its own words went to the terminal."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


if __name__ == "__main__":
    at = sys.argv.index("--")
    try:
        for name in sys.argv[1:at]:
            roll(sys.argv[at + 1 :], name)
    except TimeoutError as fault:
        sys.exit(str(fault))
