"""What signing is told by its environment."""

from shared.settings import ServiceSettings

Settings = ServiceSettings
"""The settings of every service; signing needs none of its own."""
