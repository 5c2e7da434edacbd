"""The shell around the deciders: journal, relay, inbox, timers, errands. Written once."""
