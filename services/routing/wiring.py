"""Routing put together."""

from fastapi import FastAPI

from services.routing.decider import DECIDER, DEPARTMENT_DECIDER
from services.routing.routes import router
from services.routing.settings import Settings
from shared.journal.operating import router as operating
from shared.journal.service import Parts, stage_app


def make_app(settings: Settings) -> FastAPI:
    """The service: registered cases in, cases with an executor out; and the staff directory."""
    parts = Parts(
        cases=DECIDER,
        department=DEPARTMENT_DECIDER,
        weighs_loads=True,
        routers=(router, operating),
    )
    return stage_app(settings, parts)
