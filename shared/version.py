"""Which version the services say that they are, in what describes their requests and events."""

from typing import Final

VERSION: Final = "1.0.0"
