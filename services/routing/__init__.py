"""Routing: the head names who answers for a case, and the staff directory is kept."""
