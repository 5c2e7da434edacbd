"""What intake is told by its environment."""

from shared.settings import ServiceSettings

Settings = ServiceSettings
"""The settings of every service; intake needs none of its own."""
