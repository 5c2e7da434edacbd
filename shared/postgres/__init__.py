"""Postgres: pools with limits, forward-only migrations, and which of its faults may pass."""
