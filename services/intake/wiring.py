"""Intake put together."""

from fastapi import FastAPI

from services.intake.decider import DECIDER
from services.intake.erasure import erase_again
from services.intake.routes import router
from services.intake.settings import Settings
from shared.journal.operating import router as operating
from shared.journal.service import Parts, stage_app


def make_app(settings: Settings) -> FastAPI:
    """The service: applications in, registered cases out."""
    parts = Parts(cases=DECIDER, routers=(router, operating), prepare=erase_again)
    return stage_app(settings, parts)
