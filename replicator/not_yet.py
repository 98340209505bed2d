"""The exception that means: later."""


class NotYetError(Exception):
    """It cannot be done now; the text says why, and it will be tried again."""
