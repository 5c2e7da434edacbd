"""When Python looks for objects that hold each other in a ring.

Whoever reads the log makes very many objects that live for one batch, and few rings. Python's own
700 has it look at all that is alive again and again: a third of its time.
"""

import gc
from typing import Final

_THRESHOLDS: Final = (200_000, 20, 50)
"""The first is above what one batch has alive at once: little is left to look at after it."""


def collect_rarely() -> None:
    """From here on; what is alive now stays, and is never looked at."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
