"""The environment of each process of a run, and the file by which clients find the run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import port_of
from deploy.local.processes import HOST
from deploy.local.secrets import Secrets, write_private
from deploy.local.settings import LocalSettings

CLIENT_FILE = "qyzmet.env"
SERVICES = ("intake", "routing", "executor", "signing", "notify", "casebook")
STAGES = SERVICES[:5]
SIMULATORS = ("issuer", "gateway")


@dataclass(frozen=True)
class LocalEnvironment:
    """Where everything of one run is."""

    settings: LocalSettings
    secrets: Secrets
    database_url: str
    privacy_url: str
    kafka: str

    def url(self, name: str, replica: int = 1) -> str:
        """Where a process serves HTTP."""
        return f"http://{HOST}:{port_of(self.settings.port_base, name, replica)}"

    def shared(self) -> dict[str, str]:
        """What all processes are told."""
        return {
            "QYZMET_DATABASE_URL": self.database_url,
            "QYZMET_PRIVACY_URL": self.privacy_url,
            "QYZMET_KAFKA": self.kafka,
            "QYZMET_HOST": HOST,
            "QYZMET_MASTER_KEY_FILE": str(self.secrets.master_key.resolve()),
            "QYZMET_LOOKUP_KEY_FILE": str(self.secrets.lookup_key.resolve()),
            "QYZMET_TOKEN_KEYS": str(self.secrets.token_keys.resolve()),
            "QYZMET_LOG_LEVEL": self.settings.log_level,
            "QYZMET_TRACES": self.settings.traces,
            "QYZMET_AUTOMATION": self.settings.automation,
            **self.urls(),
        }

    def urls(self) -> dict[str, str]:
        """QYZMET_INTAKE_URL and its like."""
        names = (*SERVICES, *SIMULATORS)
        return {f"QYZMET_{name.upper()}_URL": self.url(name) for name in names}

    def of_process(self, name: str, replica: int = 1) -> dict[str, str]:
        """The whole environment of one process; the user's own QYZMET_* do not reach it."""
        port = port_of(self.settings.port_base, name, replica)
        own = {"QYZMET_PORT": str(port), "QYZMET_REPLICA": f"{name}-{replica}"}
        if name == "issuer":
            own["QYZMET_ISSUER_KEYS"] = str(self.secrets.issuer_keys.resolve())
        return {**outer_environment(), **self.shared(), **own, "PYTHONUNBUFFERED": "1"}

    def write_client_file(self, folder: Path) -> Path:
        """Leave KEY=VALUE lines from which the command line finds this run."""
        lines = "".join(f"{key}={value}\n" for key, value in sorted(self.shared().items()))
        file = folder / CLIENT_FILE
        write_private(file, lines.encode())
        return file


def read_client_file(folder: Path) -> dict[str, str]:
    """What a run left for its clients."""
    lines = (folder / CLIENT_FILE).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def outer_environment() -> Mapping[str, str]:
    """Our own environment without QYZMET_*: what a process is told comes from here alone."""
    return {key: value for key, value in os.environ.items() if not key.startswith("QYZMET_")}
