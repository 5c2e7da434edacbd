"""Notify: the office registers the result, issues it and tells the applicant."""
