"""What a process is told by its environment: `QYZMET_*`. The only place that reads it."""

from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.addresses import checked_kafka
from shared.identifiers import Code, Edition, Step

AutomationKey = Annotated[
    str, StringConstraints(pattern=r"^([a-z][a-z0-9\-]{1,40}/)?[a-zA-Z0-9][a-zA-Z0-9\-]{0,63}$")
]
"""A procedure, or `<office>/<procedure>`."""
Traces = Annotated[str, StringConstraints(pattern=r"^(none|file:.+|otlp:https?://.+)$")]
"""`none`, `file:<path>` (a JSON line per span) or `otlp:<endpoint>`."""


class ServiceSettings(BaseSettings):
    """Of every service. Frozen; its repr hides what opens something. Times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="QYZMET_",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        env_ignore_empty=True,  # a compose file cannot leave a variable out, only leave it empty
    )

    database_url: SecretStr
    privacy_url: SecretStr
    """The database of keys: another one, so that its backups can live shorter (D11)."""
    kafka: Annotated[str, AfterValidator(checked_kafka)]
    """Bootstrap servers, `host:port` with commas between, or an address with a login."""
    consumer_group: str = "qyzmet"
    """What the names of the consumer groups begin with."""

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65_535)
    replica: str = Field(default_factory=gethostname)
    """Which of the service's processes this is, in logs and as Kafka's static member."""
    gateway_url: str | None = None
    """Where the outside world (registries, messages) is reached."""

    master_key_file: Path
    lookup_key_file: Path
    token_keys: Path
    """The public keys (JWKS) of who issues tokens."""
    token_issuer: str = "qyzmet"  # noqa: S105 - a name, not a password

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    traces: Traces = "none"
    trace_ratio: float = Field(default=1.0, ge=0, le=1)
    """The share of traces that are kept, where the caller has not decided already."""

    automation: dict[AutomationKey, tuple[Step, ...]] = {}
    """The steps that a rule does instead of a person: per procedure, or of one office only."""
    editions: dict[Code, Edition] = {}
    """Per procedure the edition that takes applications; the default one where none is named."""

    pool_min: int = Field(default=2, ge=1)
    pool_max: int = Field(default=10, ge=1)
    body_bytes_max: int = Field(default=2 * 1024 * 1024, ge=1_024)
    batch_body_bytes_max: int = Field(default=16 * 1024 * 1024, ge=1_024)
    batch_max: int = Field(default=2000, ge=1)
    """Records of the log in one transaction."""
    publish_wait_s: float = Field(default=5.0, gt=0)
    """How long an answer waits for Kafka's acknowledgement before it is 202 (D2)."""
    backlog_limit_s: float = Field(default=5.0, gt=0)
    """How old the oldest unpublished event may be before commands are refused (D2)."""
    read_wait_s: float = Field(default=2.0, gt=0)
    """How long a request waits for its `min_position` to be read (D15)."""

    def by_rule(self, office: str, procedure: str) -> tuple[Step, ...]:
        """What runs without a person: what is said of the office wins over what is said of all."""
        everywhere = self.automation.get(procedure, ())
        return self.automation.get(f"{office}/{procedure}", everywhere)
