"""Personal data: sealed blocks in the log, and the keys that open them, kept elsewhere (D11)."""

from importlib.resources import files

MIGRATIONS = files("shared.privacy") / "migrations"
"""The tables of the database `privacy`."""
