"""Erasing a person's data (D11): told in the log first, then the keys are destroyed.

At every start the keys of all cases that the log calls erased are destroyed again: a database of
keys restored from a backup must not bring a person back.
"""

from typing import Final

from services.intake.commands import ErasePersonalData
from shared.errors import Because, Refused
from shared.identifiers import ApplicantRef, CaseId
from shared.journal.desk import Wish
from shared.journal.service import Shell
from shared.journal.surroundings import Stage
from shared.journal.work import Origin
from shared.postgres.faults import reachable

_OPEN: Final = """
SELECT case_id FROM cases WHERE case_id = ANY($1::uuid[]) AND claim IS NOT NULL LIMIT 1
"""
_LODGED: Final = "SELECT case_id FROM cases WHERE case_id = ANY($1::uuid[]) ORDER BY case_id"
_ERASED: Final = """
SELECT case_id FROM journal WHERE event_type = 'qyzmet.intake.personal-data-erased.v1'
"""


async def erase_applicant(
    shell: Shell,
    actor: str,
    origin: Origin,
    iin: str | None,
    applicant: ApplicantRef | None,
) -> list[CaseId]:
    """Erase all cases of a person; which. A repeat finishes what a crash interrupted.

    Raises:
        Refused: nobody of this IIN is known, or a case of the person is open.
        Unavailable: try again; what was done stays done.
    """
    vault = shell.stage.vault
    if applicant is None:
        applicant = await vault.find_applicant(iin) if iin is not None else None
    if applicant is None:
        raise Refused(
            "an erasure names a person whom we know",
            expected="an IIN or a reference that has cases here",
            found="none",
            because=Because.UNKNOWN,
            field="iin",
        )
    cases = await vault.cases_of(applicant)
    with reachable("the journal"):
        open_case = await shell.stage.pool.fetchval(_OPEN, cases)
        lodged = [row["case_id"] for row in await shell.stage.pool.fetch(_LODGED, cases)]
    if open_case is not None:
        raise Refused(
            "only a person without open cases is erased",
            expected="every case of the person over, or withdrawn first",
            found=f"case {open_case} is open",
        )
    await vault.forget_applicant(applicant)
    wishes = [Wish(ErasePersonalData(case_id=CaseId(case), actor=actor), origin) for case in lodged]
    for answer in await shell.desk.perform_all(wishes) if wishes else ():
        if isinstance(answer, Refused):
            raise answer
    await vault.erase(cases)
    return [CaseId(case) for case in cases]


async def erase_again(stage: Stage) -> None:
    """Destroy the keys of every case that the journal calls erased. Raises Unavailable."""
    with reachable("the journal"):
        rows = await stage.pool.fetch(_ERASED)
    if rows:
        await stage.vault.erase([CaseId(row["case_id"]) for row in rows])
