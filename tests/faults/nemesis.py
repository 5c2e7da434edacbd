"""Who kills: seeded moments, every process in turn, each started again at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from deploy.local.environment import SERVICES
from deploy.local.errors import CannotStart
from deploy.local.supervisor import Part
from deploy.local.system import LocalSystem
from tests.faults.people import dice
from tests.faults.stand import say

STORES = ("kafka", "postgres")
AT_WORK = 0.75
DEATH_LINES = 12
DEATHS_MAX = 10
"""So many that nothing will come of waiting longer."""


class Victim(Part, Protocol):
    """A process that also says whether it can be used."""

    def is_ready(self) -> bool: ...


@dataclass
class Nemesis:
    """Kills each process `kills_each` times, in an order and at moments that the seed decides."""

    system: LocalSystem
    seed: int
    kills_each: int
    pause_max_s: float
    patience_s: float
    """How long, over the whole run, it may wait for processes to be up before it kills again."""
    before_kill: Callable[[], None] = lambda: None
    """Called when the pause before a kill begins: whoever has work may bring it now."""
    killed: Counter[str] = field(default_factory=Counter)
    died: list[str] = field(default_factory=list)
    """Services that ended although nobody killed them."""

    def __post_init__(self) -> None:
        self._end = threading.Event()

    def end(self) -> None:
        """Let `run` return early."""
        self._end.set()

    def run(self) -> None:
        """Kill until all have been killed often enough; blocks. Nobody stays dead."""
        rng = dice(self.seed, "nemesis")
        victims = self._parts()
        order = [name for name in victims for _ in range(self.kills_each)]
        rng.shuffle(order)
        for name in order:
            # Mostly all are up and at work when it strikes; now and then somebody is starting.
            if rng.random() < AT_WORK:
                self._let_all_be_up()
            self.before_kill()
            if self._end.wait(rng.uniform(0.1, self.pause_max_s)):
                break
            self.look()
            self._kill(victims[name], name)
        self.look()

    def look(self) -> None:
        """Start again who has ended by itself."""
        for name, part in self._parts().items():
            if part.alive:
                continue
            if name not in STORES:
                words = part.child.last_words(DEATH_LINES)
                self.died.append(f"{name} ended by itself ({part.child.exit_code}):\n{words}")
                assert len(self.died) < DEATHS_MAX, "\n".join(self.died)
            say(f"{name} is down: started again")
            self._start(part, name)

    def _let_all_be_up(self) -> None:
        began = time.monotonic()
        while not all(part.is_ready() for part in self._parts().values()):
            if self._end.wait(0.1) or time.monotonic() - began > self.patience_s:
                break
            self.look()
        self.patience_s -= time.monotonic() - began

    def _kill(self, part: Victim, name: str) -> None:
        part.kill()
        self.killed[name] += 1
        say(f"killed {name}, for the {self.killed[name]}. time")
        self._start(part, name)

    def _start(self, part: Victim, name: str) -> None:
        try:
            part.start()
        except CannotStart as fault:
            # A store may find something of its killed self still there; the next look tries again.
            say(f"{name} does not start: {fault}")

    def _parts(self) -> dict[str, Victim]:
        own: dict[str, Victim] = {name: self.system.services[name] for name in SERVICES}
        return {**own, "kafka": self.system.broker, "postgres": self.system.postgres}
