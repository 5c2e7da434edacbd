"""How long a reader lets records gather before it reads on.

A poll costs a reader, its database and the broker about as much as thirty records do, so under
load few large polls are cheaper than many small ones. A reader with little to do never rests: it
answers at once.
"""

from typing import Final

_FEW: Final = 100
"""Records of one poll below which there is nothing to be saved."""
_REST_S_MAX: Final = 0.2


def rest_s(records: int, most: int, took_s: float) -> float:
    """Seconds to wait after a poll of so many records, of `most` it could have had.

    As long as it took: a reader that keeps up is then busy half its time, whatever the machine.
    One that got all it could have had is behind and goes on at once.
    """
    return min(took_s, _REST_S_MAX) if _FEW <= records < most else 0.0
