"""What a user may choose about a local run, from QYZMET_* variables."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_STEPS = ["register", "assign", "draft", "sign", "issue"]
BY_RULE = {
    "astana-auto/employment-referral": _STEPS,
    "astana-auto/home-education": _STEPS,
    "astana-auto/prosthetic-aid": _STEPS[:-1],  # its result is paper: a person hands it out
}
"""One office of the demo runs by rule; in all others people act."""


class LocalSettings(BaseSettings):
    """Where a local run keeps its data, which ports it takes, and how much it says."""

    model_config = SettingsConfigDict(env_prefix="QYZMET_", frozen=True)

    folder: Path = Path(".run")
    port_base: Annotated[int, Field(ge=1024, le=65000)] = 8700
    replicas: Annotated[int, Field(ge=1, le=2)] = 1
    cache: Path | None = None
    log_level: str = "info"
    traces: str = "none"
    automation: str = json.dumps(BY_RULE)
    """As the services take it, in JSON: the steps that a rule does, for `<office>/<procedure>`."""
