"""The message gateway's stand-in: takes messages, delivers none, and counts what it was asked.

It speaks the gateway's protocol: `POST /messages` with `Idempotency-Key`, a repeat of the same key
is the same message. What it received can be asked for by key, for tests that count effects.
"""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, Response
from pydantic_settings import BaseSettings, SettingsConfigDict

KEPT_MAX = 200_000


class GatewaySettings(BaseSettings):
    """What the stand-in is told by its environment. `fails_every` makes each n-th call fail."""

    model_config = SettingsConfigDict(env_prefix="QYZMET_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int
    gateway_fails_every: int = 0
    gateway_wait_s: float = 0.0


def make_app(settings: GatewaySettings) -> FastAPI:
    """The stand-in as an application."""
    app = FastAPI(title="Qyzmet message gateway stand-in", docs_url=None, redoc_url=None)
    messages: dict[str, int] = {}
    calls = 0

    @app.post("/messages")
    async def take(
        _message: dict[str, Any], key: Annotated[str, Header(alias="Idempotency-Key")]
    ) -> Response:
        """Take a message; the body is not kept: it holds a person's address."""
        nonlocal calls
        calls += 1
        await asyncio.sleep(settings.gateway_wait_s)
        if settings.gateway_fails_every and calls % settings.gateway_fails_every == 0:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        if len(messages) >= KEPT_MAX:
            return Response(status_code=HTTPStatus.INSUFFICIENT_STORAGE)
        messages[key] = messages.get(key, 0) + 1
        return Response('{"delivered": true}', media_type="application/json")

    @app.get("/messages")
    async def taken() -> dict[str, int]:
        """How often each message was asked for, by key."""
        return messages

    @app.get("/health/ready")
    @app.get("/health/live")
    async def well() -> dict[str, str]:
        return {"status": "well"}

    return app


if __name__ == "__main__":
    found = GatewaySettings()
    uvicorn.run(make_app(found), host=found.host, port=found.port, log_level="warning")
