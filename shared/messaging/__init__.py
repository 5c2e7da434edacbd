"""The log: its topics, how a record is read, what happens to one that cannot be."""
