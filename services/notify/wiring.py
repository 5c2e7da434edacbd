"""Notify put together."""

from fastapi import FastAPI

from services.notify.decider import DECIDER
from services.notify.gateways import carry_out
from services.notify.routes import router
from services.notify.settings import Settings
from shared.journal.operating import router as operating
from shared.journal.service import Parts, stage_app


def make_app(settings: Settings) -> FastAPI:
    """The service: signed notifications in, issued results and messages out."""
    parts = Parts(cases=DECIDER, routers=(router, operating), carry_out=carry_out)
    return stage_app(settings, parts)
