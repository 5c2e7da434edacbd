"""What notify asks of the outside: a message to the applicant that the result is there."""

from collections.abc import Sequence

from services.notify.state import NotifyCase
from shared.decider import Errand
from shared.events.envelope import Fact
from shared.events.notify import ResultIssued

NOTICE = "notice"
"""The errand's kind. Its outcome comes back as the command RecordNotice."""


def errands(fact: Fact, case: NotifyCase) -> Sequence[Errand]:
    """One message for each issued result, if the applicant asked to be told.

    After a restore the application may not have been read again yet: then the errand is noted,
    and whether there is anything to send is seen when it is carried out.
    """
    lodged = case.course.lodged
    if not isinstance(fact.event, ResultIssued) or (lodged is not None and lodged.notice is None):
        return ()
    return (Errand(event_id=fact.envelope.event_id, case_id=fact.envelope.case_id, kind=NOTICE),)
