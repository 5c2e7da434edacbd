"""Signing put together."""

from fastapi import FastAPI

from services.signing.decider import DECIDER
from services.signing.routes import router
from services.signing.settings import Settings
from shared.journal.operating import router as operating
from shared.journal.service import Parts, stage_app


def make_app(settings: Settings) -> FastAPI:
    """The service: drafted notifications in, signed or returned ones out."""
    return stage_app(settings, Parts(cases=DECIDER, routers=(router, operating)))
