"""While a run stays up: whoever dies is reported with its last words and started again."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from deploy.local.errors import CannotStart
from deploy.local.processes import Child
from deploy.local.progress import alarm, say

LOOK_EVERY_S = 0.5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0


class Part(Protocol):
    """What a run is made of: the broker, Postgres, each service."""

    @property
    def child(self) -> Child: ...
    @property
    def alive(self) -> bool: ...
    def start(self) -> None: ...
    def wait_ready(self, within_s: float = ...) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Watch:
    """What the supervisor remembers of one part."""

    part: Part
    pause_s: float = FIRST_PAUSE_S
    started: float = field(default_factory=time.monotonic)
    restart_at: float | None = None


class Supervisor:
    """Looks at every part, twice a second, until it is told to end."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._watches = [Watch(part) for part in parts]
        self._end = threading.Event()

    def end(self) -> None:
        """Let `run` return."""
        self._end.set()

    def run(self) -> None:
        """Watch until `end` is called or the caller is interrupted."""
        while not self._end.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Look once at each part."""
        for watch in self._watches:
            if watch.restart_at is not None:
                _restart_when_due(watch)
            elif not watch.part.alive:
                _report(watch)


def _report(watch: Watch) -> None:
    """It died, and not by our hand. Who dies again and again is waited for longer and longer."""
    now, child = time.monotonic(), watch.part.child
    if now - watch.started > STEADY_AFTER_S:
        watch.pause_s = FIRST_PAUSE_S
    watch.restart_at = now + watch.pause_s
    alarm(
        f"{child.name} died (exit {child.exit_code}); its log ends:\n{child.last_words()}\n"
        f"    starting it again in {watch.pause_s:g} s; all of it: {child.log_file}"
    )
    watch.pause_s = min(watch.pause_s * 2, LONGEST_PAUSE_S)


def _restart_when_due(watch: Watch) -> None:
    if watch.restart_at is None or time.monotonic() < watch.restart_at:
        return
    watch.restart_at = None
    watch.started = time.monotonic()
    try:
        watch.part.start()
    except CannotStart as error:
        alarm(f"{watch.part.child.name} does not start: {error}")
        return  # the next look finds it dead, and waits longer
    say(f"    {watch.part.child.name} was started again")
