"""The program `qyzmet`: casebook's command line, with the rules of all stages put in.

The one place that knows every stage. casebook imports no stage, and no stage another: so that an
audit can decide again what was decided, the rules are handed to it from here (ADR 0022).
"""

from typing import Final

from services.casebook import cli
from services.executor.hindsight import RULES as EXECUTOR
from services.intake.hindsight import RULES as INTAKE
from services.notify.hindsight import RULES as NOTIFY
from services.routing.hindsight import DEPARTMENT_RULES
from services.routing.hindsight import RULES as ROUTING
from services.signing.hindsight import RULES as SIGNING
from shared.hindsight import RuleBook

RULE_BOOK: Final = RuleBook(
    {rules.decider.source: rules for rules in (INTAKE, ROUTING, EXECUTOR, SIGNING, NOTIFY)},
    DEPARTMENT_RULES,
)


def main() -> None:
    """Run a command and exit with its code."""
    cli.main(RULE_BOOK)


if __name__ == "__main__":
    main()
