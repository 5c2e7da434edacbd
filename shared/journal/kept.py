"""Cases as this process wrote them last, so that the next record of one need not fetch it.

Nothing here has to be true: a case is written back only over the version that it was read as. Who
takes a case out owns it, and puts it back once its transaction is committed; after a failure it
is fetched again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from shared.identifiers import CaseId
from shared.journal.rows import CaseRow

_MOST: Final = 10_000
"""Some 40 MB. Under load a stage has the cases of some ten seconds in hand."""


class Kept:
    """See the module. At most `most` cases, those that were put back last."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._rows: OrderedDict[CaseId, CaseRow] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, case_ids: Iterable[CaseId]) -> dict[CaseId, CaseRow]:
        """Those of the cases that are here, which they are no longer."""
        found = {}
        for case_id in case_ids:
            row = self._rows.pop(case_id, None)
            if row is not None:
                found[case_id] = row
        return found

    def put(self, rows: Iterable[CaseRow]) -> None:
        """Keep what was committed. What is set aside or waits is always asked for: records that
        are put beside it do not touch its row."""
        for row in rows:
            if row.version and row.parked is None and not row.waits:
                self._rows[row.case_id] = row
                self._rows.move_to_end(row.case_id)
        while len(self._rows) > self._most:
            self._rows.popitem(last=False)
