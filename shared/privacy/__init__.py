"""Personal data: sealed blocks in the log, and the keys that open them, kept elsewhere (D11)."""
