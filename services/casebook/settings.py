"""What casebook is told by its environment."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Of every service, and casebook's own."""

    schema_name: str = Field(default="casebook", pattern=r"^[a-z][a-z0-9_]{0,40}$")
    """Where the read side is folded to; a rebuild goes into another one."""
    parked_max: int = Field(default=100, ge=1)
    """Cases parked within a minute, by the log's time, after which folding stops (D7)."""
    feed_clients_max: int = Field(default=1_000, ge=1)
    """Live streams of one process."""
