"""Executor: the papers are examined and the notification is drawn up."""
