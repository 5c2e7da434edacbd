"""Casebook as a process of its own in a test: started, killed, started again on the same port."""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from services.casebook.settings import Settings

ROOT = Path(__file__).parents[1]
READY_WITHIN_S = 60.0


@dataclass
class CasebookProcess:
    """One replica."""

    settings: Settings
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def base(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it; returns at once."""
        settings = self.settings
        told = {
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "PRIVACY_URL": settings.privacy_url.get_secret_value(),
            "KAFKA": settings.kafka,
            "PORT": str(settings.port),
            "MASTER_KEY_FILE": str(settings.master_key_file),
            "LOOKUP_KEY_FILE": str(settings.lookup_key_file),
            "TOKEN_KEYS": str(settings.token_keys),
            "LOG_LEVEL": settings.log_level,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.casebook"],
            cwd=ROOT,
            env={f"QYZMET_{name}": value for name, value in told.items()},
        )
        return self.process

    def wait_ready(self) -> None:
        """Until it says that it can be used."""
        assert self.process is not None
        deadline = time.monotonic() + READY_WITHIN_S
        with httpx.Client(base_url=self.base, timeout=5, trust_env=False) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    if client.get("/health/ready").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise AssertionError("casebook was not ready in time")

    def kill(self) -> None:
        """As a crash."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=READY_WITHIN_S)
