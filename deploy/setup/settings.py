"""What the set-up is told by its environment."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.addresses import checked_kafka


class KeeperSettings(BaseSettings):
    """Of who wraps the keys of cases anew."""

    model_config = SettingsConfigDict(
        env_prefix="QYZMET_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    privacy_url: SecretStr
    master_key_file: Path
    lookup_key_file: Path


class SetupSettings(BaseSettings):
    """Where the stores are, as those who may do everything, and where the passwords lie."""

    model_config = SettingsConfigDict(env_prefix="QYZMET_", frozen=True, extra="ignore")

    kafka: Annotated[str, AfterValidator(checked_kafka)]
    postgres: str
    """The URL of Postgres's administrator, without a database at its end."""
    passwords: Path
    """A folder with a file for each principal, `<name>_password`."""
