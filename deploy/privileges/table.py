"""The table of who may do what. What does not stand here is refused.

A name is a user of Kafka and a role of Postgres alike. From these lines the grants and the access
lists are made (`grants.py`, `acls.py`), and the tests take every pair that is *not* here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.messaging.topics import CASE_EVENTS, DEPARTMENT_EVENTS

STAGES: Final = ("intake", "routing", "executor", "signing", "notify")
READ_SIDE: Final = "casebook"
OPERATOR: Final = "operator"
"""Whoever mends the log with `qyzmet log`."""
AUDITOR: Final = "auditor"
"""Whoever checks it with `qyzmet audit`: reads all, writes nothing, opens no key."""
KEEPER: Final = "keeper"
"""Wraps the keys of cases anew when the master key changes."""
OWNER: Final = "qyzmet_owner"
"""Owns the stages' tables and the keys'; nobody logs in as it."""

READ_TABLES: Final = "qyzmet_read_side"
"""Owns the read side's tables, which casebook makes and an operator drops. Not casebook itself: who
belongs to casebook would be let in to the keys with it."""

GROUP_PREFIX: Final = "qyzmet"

# Of Postgres: a privilege, or one on some columns only, as GRANT takes it.
Privileges = frozenset[str]
Tables = Mapping[str, Privileges]


@dataclass(frozen=True)
class Principal:
    """One of them. `topics`: Kafka's operations by topic; `tables`: privileges by `schema.table`.

    Kafka adds DESCRIBE to READ, WRITE, CREATE and DELETE by itself.
    """

    name: str
    topics: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    tables: Tables = field(default_factory=dict)
    keys: Tables = field(default_factory=dict)
    """Tables of the database `privacy`."""
    member_of: frozenset[str] = frozenset()
    acts_as: str | None = None
    """The role that it is at once in the database of the services."""

    @property
    def enters_keys(self) -> bool:
        """May it connect to the database of keys at all?"""
        return bool(self.keys)

    @property
    def enters_services(self) -> bool:
        """May it connect to the database with the services' schemas?"""
        return bool(self.tables) or self.acts_as is not None


def _may(*words: str) -> frozenset[str]:
    return frozenset(words)


READ: Final = _may("READ")
READ_WRITE: Final = _may("READ", "WRITE")
MEND: Final = _may("READ", "WRITE", "CREATE", "DELETE")

# A stage's own schema. It cannot change or delete what its journal says, nor drop the triggers
# that say so: the tables are not its own.
STAGE_TABLES: Final[Tables] = {
    "journal": _may("SELECT", "INSERT"),
    "outbox": _may("SELECT", "INSERT", "DELETE"),
    # A stage that starts reads its own facts back; of one sent twice the last place counts.
    "published": _may("SELECT", "INSERT", 'UPDATE ("offset")'),
    "cases": _may("SELECT", "INSERT", "UPDATE"),
    "offsets": _may("SELECT", "INSERT", "UPDATE"),
    "parked": _may("SELECT", "INSERT", "DELETE"),
    "errands": _may("SELECT", "INSERT", "UPDATE", "DELETE"),
    "requests": _may("SELECT", "INSERT", "UPDATE"),
    "schema_migrations": _may("SELECT"),
}
_READ_STAGE: Final[Tables] = {table: _may("SELECT") for table in STAGE_TABLES}
_MEND_STAGE: Final[Tables] = {
    **_READ_STAGE,
    "outbox": _may("SELECT", "DELETE"),
    "published": _may("SELECT", "INSERT", "UPDATE"),
    "offsets": _may("SELECT", "UPDATE"),
    "parked": _may("SELECT", "DELETE"),
    "cases": _may("SELECT", "UPDATE"),
}
# Every stage may be the first to seal a text of the department, whose key is then made. Nobody
# can change a key that is there. UPDATE of a column that is never updated: rows are locked.
_SEALS: Final[Tables] = {"case_keys": _may("SELECT", "INSERT")}
_ERASES: Final = _may("SELECT", "DELETE", "UPDATE (case_id)")
_KEYS: Final[Mapping[str, Tables]] = {
    **dict.fromkeys(STAGES, _SEALS),
    # The only one that knows people by their number, and the one that erases them.
    "intake": {
        "applicants": _may("SELECT", "INSERT", "DELETE"),
        "case_keys": _ERASES | _may("INSERT"),
    },
}


def _of_stages(tables: Tables) -> Tables:
    return {f"{stage}.{table}": may for stage in STAGES for table, may in tables.items()}


def _stage(name: str) -> Principal:
    return Principal(
        name=name,
        # Each may have to say what became of a parked record of the department.
        topics={CASE_EVENTS: READ_WRITE, DEPARTMENT_EVENTS: READ_WRITE},
        groups=_may(f"{GROUP_PREFIX}-{name}"),
        tables={f"{name}.{table}": may for table, may in STAGE_TABLES.items()},
        keys=_KEYS[name],
    )


PRINCIPALS: Final = (
    *(_stage(name) for name in STAGES),
    Principal(
        name=READ_SIDE,
        topics={CASE_EVENTS: READ, DEPARTMENT_EVENTS: READ},
        # It folds its tables anew beside the old ones, in schemas that it makes and renames.
        member_of=_may(READ_TABLES),
        acts_as=READ_TABLES,
        keys={
            "applicants": _may("SELECT"),
            "case_keys": _ERASES,
            "openings": _may("SELECT (case_id)", "INSERT"),
        },
    ),
    Principal(
        name=OPERATOR,
        topics={CASE_EVENTS: MEND, DEPARTMENT_EVENTS: MEND},
        tables=_of_stages(_MEND_STAGE),
        # It drops the read side, and has to see whether anybody is still connected.
        member_of=_may(READ_TABLES, "pg_read_all_stats"),
    ),
    Principal(
        name=AUDITOR,
        topics={CASE_EVENTS: READ, DEPARTMENT_EVENTS: READ},
        tables=_of_stages(_READ_STAGE),
        keys={"openings": _may("SELECT")},
    ),
    Principal(name=KEEPER, keys={"case_keys": _may("SELECT", "UPDATE (wrapped)")}),
)

BY_NAME: Final = {principal.name: principal for principal in PRINCIPALS}
