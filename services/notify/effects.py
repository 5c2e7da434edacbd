"""What notify asks of the outside: a message to the applicant that the result is there."""

from collections.abc import Sequence

from services.notify.state import NotifyCase
from shared.decider import Errand
from shared.events.envelope import Fact

NOTICE = "notice"
"""The errand's kind. Its outcome comes back as the command RecordNotice."""


def errands(fact: Fact, case: NotifyCase) -> Sequence[Errand]:
    """One message for each issued result, if the applicant asked to be told.

    Asked after every fact: when a restore brought the result back before the application and the
    hand-offs were read again, the message is called for by the last of them.
    """
    lodged = case.course.lodged
    if case.issued is None or case.noticed or lodged is None or lodged.notice is None:
        return ()
    if case.course.ending != "issued":
        return ()
    return (Errand(event_id=case.issued, case_id=fact.envelope.case_id, kind=NOTICE),)
