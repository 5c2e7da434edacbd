"""Changing a service while it works: `python -m deploy.site.rolling NAME...`, by `make roll`.

A second process of the new image comes up beside the old one; when it is healthy, the old one is
asked to stop. At every moment somebody answers. What follows `--` is the compose program with the
options that name the installation.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence

HEALTHY_WITHIN_S = 180.0
LOOK_EVERY_S = 1.0


def roll(compose: Sequence[str], service: str) -> None:
    """Replace every process of a service, one at a time."""
    running = containers(compose, service)
    for old in running:
        known = set(containers(compose, service, "--all"))
        count = len(running) + 1
        told = ["up", "--no-start", "--no-deps", "--no-recreate", "--scale", f"{service}={count}"]
        must([*compose, *told, service])
        (fresh,) = set(containers(compose, service, "--all")) - known
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
        wait_healthy([fresh])
        for name in edges:
            must(["docker", "network", "connect", "--alias", service, name, fresh])
        must(["docker", "stop", "--time", "40", old])
        must(["docker", "rm", "--volumes", old])
    sys.stdout.write(f"{service}: {len(running)} replaced\n")


def networks(container: str) -> set[str]:
    """Those that it is on."""
    (shown,) = json.loads(must(["docker", "inspect", container]))
    return set(shown["NetworkSettings"]["Networks"])


def containers(compose: Sequence[str], service: str, *more: str) -> list[str]:
    """Those of a service: that run, or (`--all`) that there are."""
    return must([*compose, "ps", "--quiet", *more, service]).split()


def wait_healthy(names: Sequence[str]) -> None:
    """Raises TimeoutError: then the old one still works, and nothing was lost."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while True:
        shown = json.loads(must(["docker", "inspect", *names]))
        states = [each["State"]["Health"]["Status"] for each in shown]
        if all(state == "healthy" for state in states):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not healthy within {HEALTHY_WITHIN_S:g} s: {', '.join(names)}")
        time.sleep(LOOK_EVERY_S)


def must(command: Sequence[str]) -> str:
    """What it prints. Raises CalledProcessError; its own words went to the terminal."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


if __name__ == "__main__":
    at = sys.argv.index("--")
    for name in sys.argv[1:at]:
        roll(sys.argv[at + 1 :], name)
