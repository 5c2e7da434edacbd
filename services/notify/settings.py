"""What notify is told by its environment."""

from shared.settings import ServiceSettings

Settings = ServiceSettings
"""The settings of every service; notify needs none of its own."""
