"""What executor is told by its environment."""

from shared.settings import ServiceSettings

Settings = ServiceSettings
"""The settings of every service; executor needs none of its own."""
