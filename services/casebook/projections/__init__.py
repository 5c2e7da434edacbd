"""What casebook shows, one file each, with its SQL. Each record may be delivered twice: the reading
rule and the offsets let it through once, and both are kept in the transaction that writes the rows.

Most of it is asked of `status` and `timeline` at the moment, and keeps no table of its own.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TABLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "status": ("case_id",),
        "timeline": ("case_id", "source", "sequence"),
        "notices": ("case_id", "sequence"),
        "names": ("case_id",),
        "members": ("staff",),
        "absences": ("sequence",),
        "acting": ("sequence",),
    }
)
"""Every table that a projection fills, with its key. All of it follows from the log alone, but for
`names.words`: that needs the vault, and is filled after the fold (`naming.py`)."""
