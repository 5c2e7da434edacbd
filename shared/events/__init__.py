"""THE CONTRACT: every fact the services tell each other, and how it travels."""
