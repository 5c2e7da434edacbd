"""Stand-ins for systems outside the department. They speak the real protocol; local use only."""
