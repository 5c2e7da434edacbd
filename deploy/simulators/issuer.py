"""The demo's token issuer: gives anyone who asks a token for anyone. Local use only.

It stands in for the department's identity provider, and binds to the loopback address unless it
is told otherwise.
"""

import json
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.http.tokens import issue
from shared.identifiers import OfficeId, Role, StaffId


class IssuerSettings(BaseSettings):
    """What the issuer is told by its environment."""

    model_config = SettingsConfigDict(env_prefix="QYZMET_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int
    issuer_keys: Path


class TokenRequest(BaseModel):
    """Who the token is to speak for."""

    staff: StaffId
    office: OfficeId
    roles: Annotated[list[Role], Field(max_length=10)]


def make_app(settings: IssuerSettings) -> FastAPI:
    """The issuer as an application."""
    app = FastAPI(title="Qyzmet demo issuer", docs_url=None, redoc_url=None)
    private = json.loads(settings.issuer_keys.read_text("utf-8"))["keys"][0]

    @app.post("/tokens")
    async def token(wanted: TokenRequest) -> dict[str, str]:
        """A token of an hour."""
        text = issue(private, staff=wanted.staff, office=wanted.office, roles=wanted.roles)
        return {"token": text}

    @app.get("/health/ready")
    @app.get("/health/live")
    async def well() -> dict[str, str]:
        return {"status": "well"}

    return app


if __name__ == "__main__":
    found = IssuerSettings()
    uvicorn.run(make_app(found), host=found.host, port=found.port, log_level="warning")
