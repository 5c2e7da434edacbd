"""The application that every service's routes are put into."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from shared.errors import Unavailable
from shared.http import described, problems
from shared.http.frame import RequestFrame
from shared.http.limits import BodyLimits, LimitedBodies
from shared.http.tokens import TokenKeys
from shared.observability.metrics import exposition

PROBE_S_MAX: Final = 2.0

Probe = Callable[[], Awaitable[None]]
"""Returns when all is well; raises Unavailable (or OSError, or takes too long) when not."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Probes:
    """Named questions. A process that is not alive is restarted; one not ready gets no requests."""

    live: Mapping[str, Probe] = field(default_factory=dict)
    ready: Mapping[str, Probe] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admission:
    """Who and what is let in: whose tokens, how large a body."""

    token_keys: TokenKeys
    body_limits: BodyLimits = field(default_factory=BodyLimits)


def create_app(
    *,
    title: str,
    version: str,
    lifespan: Lifespan,
    routers: Sequence[APIRouter],
    probes: Probes,
    admission: Admission,
) -> FastAPI:
    """An application with the service's routes, health, metrics and problems for all errors.

    Its description is at /openapi.json; pages that draw it would load from elsewhere.
    """
    app = FastAPI(
        title=title,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        # A redirect would be built from whatever host the request names.
        redirect_slashes=False,
        redoc_url=None,
        responses=described.OF_EVERY_ROUTE,
        generate_unique_id_function=_name,
        # FastAPI's own spans and logs carry exceptions' messages; ours do not.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.token_keys = admission.token_keys
    app.include_router(_machine_routes(probes))
    for router in routers:
        app.include_router(router)
    # The last one added is the outermost.
    app.add_middleware(LimitedBodies, limits=admission.body_limits)
    problems.install(app)
    app.add_middleware(RequestFrame)
    described.install(app)
    return app


def _name(route: APIRoute) -> str:
    """What a route is called in the OpenAPI document: like its function."""
    return route.name


def _machine_routes(probes: Probes) -> APIRouter:
    """What machines ask: is it alive, is it ready, how does it do."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> Response:
        return await _health(probes.live)

    @router.get("/health/ready")
    async def ready() -> Response:
        return await _health(probes.ready)

    @router.get("/metrics")
    async def metrics() -> Response:
        body, content_type = exposition()
        return Response(body, headers={"Content-Type": content_type})

    return router


async def _health(probes: Mapping[str, Probe]) -> Response:
    answers = await asyncio.gather(*(_why_not(probe) for probe in probes.values()))
    failing = {name: why for name, why in zip(probes, answers, strict=True) if why is not None}
    return problems.unwell(failing) if failing else JSONResponse({"status": "well"})


async def _why_not(probe: Probe) -> str | None:
    """None when all is well."""
    try:
        async with asyncio.timeout(PROBE_S_MAX):
            await probe()
    except Unavailable as fault:
        return fault.what
    except TimeoutError:
        return f"no answer within {PROBE_S_MAX:g} s"
    except OSError as fault:
        return type(fault).__name__
    return None
