"""Where the command line finds the system: QYZMET_* variables, else the file that a run leaves."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from services.casebook.cli.exits import Failure, Status
from shared.addresses import checked_kafka

CLIENT_FILE: Final = "qyzmet.env"
"""KEY=VALUE lines below the folder of a run, readable by its owner only."""
_PREFIX: Final = "QYZMET_"


class ClientSettings(BaseSettings):
    """Everything is optional: each command needs only a part of it."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    folder: Path = Path(".run")
    token: SecretStr | None = None
    intake_url: str | None = None
    routing_url: str | None = None
    executor_url: str | None = None
    signing_url: str | None = None
    notify_url: str | None = None
    casebook_url: str | None = None
    issuer_url: str | None = None
    """Of the demo's issuer of tokens; only local runs have one."""
    authority: Path | None = None
    """The certificate (PEM) of who signed the services', where it is not one that all trust."""
    kafka: Annotated[str, AfterValidator(checked_kafka)] | None = None
    database_url: SecretStr | None = None
    """With which an operator reads journals and projections (`qyzmet log`, `qyzmet audit`)."""
    privacy_url: SecretStr | None = None
    """With which an auditor reads who opened what (`qyzmet audit who-saw`); no key is read."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - given by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file of the run."""
        return init_settings, env_settings, _ClientFile(settings_cls)

    def url(self, service: str) -> str:
        """Where a service answers. Raises Failure when nobody has said it."""
        found: str | None = getattr(self, f"{service}_url")
        if found is None:
            raise self._not_found(f"{service}_url")
        return found

    def trusted(self) -> ssl.SSLContext | bool:
        """How a service's certificate is checked. Raises OSError."""
        if self.authority is None:
            return True
        return ssl.create_default_context(cafile=str(self.authority))

    @property
    def bootstrap(self) -> str:
        """Kafka's address. Raises Failure."""
        if self.kafka is None:
            raise self._not_found("kafka")
        return self.kafka

    @property
    def database(self) -> str:
        """The operator's database URL. Raises Failure."""
        if self.database_url is None:
            raise self._not_found("database_url")
        return self.database_url.get_secret_value()

    @property
    def privacy(self) -> str:
        """The URL of the database of keys. Raises Failure."""
        if self.privacy_url is None:
            raise self._not_found("privacy_url")
        return self.privacy_url.get_secret_value()

    def _not_found(self, name: str) -> Failure:
        return Failure(
            f"no system is running on {self.folder}: start one with `make run`, name the folder of"
            f" another in QYZMET_FOLDER, or set {_PREFIX}{name.upper()}",
            Status.USAGE,
        )


class _ClientFile(PydanticBaseSettingsSource):
    """The file of the folder that the sources before this one chose."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - given by name
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """Asked for by the interface; `__call__` gives all values at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values, by the names of the fields."""
        folder = Path(
            self.current_state.get("folder", ClientSettings.model_fields["folder"].default)
        )
        known = self.settings_cls.model_fields
        return {name: value for name, value in _values(folder).items() if name in known}


def _values(folder: Path) -> Mapping[str, str]:
    try:
        lines = (folder / CLIENT_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {key.removeprefix(_PREFIX).lower(): value for key, _, value in pairs}
