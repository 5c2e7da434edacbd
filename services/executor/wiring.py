"""Executor put together."""

from fastapi import FastAPI

from services.executor.decider import DECIDER
from services.executor.routes import router
from services.executor.settings import Settings
from shared.journal.operating import router as operating
from shared.journal.service import Parts, stage_app


def make_app(settings: Settings) -> FastAPI:
    """The service: cases with an executor in, drafted notifications out."""
    return stage_app(settings, Parts(cases=DECIDER, routers=(router, operating)))
