"""What a user may choose about a local run, from QYZMET_* variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Where a local run keeps its data, which ports it takes, and how much it says."""

    model_config = SettingsConfigDict(env_prefix="QYZMET_", frozen=True)

    folder: Path = Path(".run")
    port_base: Annotated[int, Field(ge=1024, le=65000)] = 8700
    replicas: Annotated[int, Field(ge=1, le=2)] = 1
    cache: Path | None = None
    log_level: str = "info"
    traces: str = "none"
    automation: str = "{}"
    """As the services take it: per procedure the steps that a rule does, in JSON."""
