"""The loaded regulations, once for the session."""

import pytest

from shared.procedures.catalogue import Catalogue, load_catalogue
from shared.procedures.models import Procedure
from shared.procedures.working_time import WorkingCalendar, calendar_from_holidays


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def prosthetic_aid(catalogue: Catalogue) -> Procedure:
    return catalogue.procedure("prosthetic-aid", "2016-08-25")


@pytest.fixture(scope="session")
def home_education(catalogue: Catalogue) -> Procedure:
    return catalogue.procedure("home-education", "2016-08-25")


@pytest.fixture(scope="session")
def employment_referral(catalogue: Catalogue) -> Procedure:
    return catalogue.procedure("employment-referral", "2017-12-12")


@pytest.fixture(scope="session")
def calendar() -> WorkingCalendar:
    return calendar_from_holidays(range(2015, 2029))
