"""A department at work in a test: the log, casebook, the vault, some members of staff."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from services.casebook.settings import Settings
from shared.identifiers import DEPARTMENT, ApplicantRef, Role, new_id
from shared.postgres.migrations import migrate
from shared.postgres.pool import open_pool
from shared.privacy.keys import Vault
from shared.privacy.master import read_lookup_key, read_master_keys
from tests.facts import IIN, CaseFacts, DepartmentFacts, Written
from tests.readside import ReadSide, read_side, settings_of


@dataclass
class Office:
    """A department at work: the log, the read side, the vault."""

    side: ReadSide
    settings: Settings
    vault: Vault
    staff: DepartmentFacts

    async def case(self, office: str = "almaly", iin: str = IIN) -> CaseFacts:
        """A case whose key lies in the vault."""
        applicant = (await self.vault.applicants([iin]))[iin]
        case = CaseFacts(office=office, applicant=applicant)
        case.key = (await self.vault.create_keys({case.case_id: applicant}))[case.case_id]
        return case

    async def tell(self, *records: Written) -> str:
        """Publish and fold; the last position as a client is told it."""
        partition, offset = (await self.side.tell(*records))[-1]
        return f"{partition}:{offset}"


@asynccontextmanager
async def department(bootstrap: str, database: str, folder: Path) -> AsyncIterator[Office]:
    """With two offices: `almaly` has three members of staff, `medeu` one. Nothing is told yet."""
    async with read_side(bootstrap, database) as side:
        settings = settings_of(folder, bootstrap=bootstrap, url=database, privacy_url=database)
        pool = await open_pool(database, schema="public", application_name="test")
        async with pool:
            async with pool.acquire() as connection:
                await migrate(connection, files("shared.privacy") / "migrations", "public")
            master = read_master_keys(settings.master_key_file)
            vault = Vault(pool, master, read_lookup_key(settings.lookup_key_file))
            staff = DepartmentFacts()
            nobody = ApplicantRef(new_id())
            staff.key = (await vault.create_keys({DEPARTMENT: nobody}))[DEPARTMENT]
            staff.member("aigul", Role.OFFICE_SPECIALIST)
            staff.member("bolat", Role.RESPONSIBLE_EXECUTOR)
            staff.member("head", Role.HEAD)
            staff.member("saule", Role.OFFICE_SPECIALIST, office="medeu")
            yield Office(side, settings, vault, staff)
