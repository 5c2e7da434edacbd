"""What routing is told by its environment."""

from shared.settings import ServiceSettings

Settings = ServiceSettings
"""The settings of every service; routing needs none of its own."""
