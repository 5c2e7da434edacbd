"""What stops a local run, said so that the reader knows what to do."""


class CannotStart(Exception):
    """Something needed is missing, taken or broken; nothing was started, or it was ended again."""


class AlreadyRunning(CannotStart):
    """Another run holds this folder."""
