"""Intake: applications come in, are registered or turned away; applicants' later wishes too."""
